//! Other names of a ResNet's tensors, as torchvision's.

use crate::backbone::OtherNaming;

pub(super) const OTHERS: [OtherNaming; 2] = [
    OtherNaming {
        program: "Hugging Face",
        anchor: "embedder.embedder.convolution.weight",
        published: hugging_face,
    },
    OtherNaming { program: "nn.Sequential", anchor: "4.0.conv1.weight", published: sequential },
];

/// The names of Hugging Face's `ResNetModel`: `encoder.stages.0.layers.1.layer.0.convolution`.
fn hugging_face(name: &str) -> Option<String> {
    if let Some(stem) = name.strip_prefix("embedder.embedder.") {
        return match stem.split_once('.')? {
            ("convolution", rest) => Some(format!("conv1.{rest}")),
            ("normalization", rest) => Some(format!("bn1.{rest}")),
            _ => None,
        };
    }
    let parts: Vec<&str> = name.strip_prefix("encoder.stages.")?.split('.').collect();
    let (stage, block, module, rest) = match parts[..] {
        [stage, "layers", block, "layer", index, kind, rest] => {
            let index = index.parse::<usize>().ok()?.checked_add(1)?;
            let module = match kind {
                "convolution" => format!("conv{index}"),
                "normalization" => format!("bn{index}"),
                _ => return None,
            };
            (stage, block, module, rest)
        }
        [stage, "layers", block, "shortcut", kind, rest] => {
            let index = ["convolution", "normalization"].iter().position(|known| *known == kind)?;
            (stage, block, format!("downsample.{index}"), rest)
        }
        _ => return None,
    };
    let stage = stage.parse::<usize>().ok()?.checked_add(1)?;
    Some(format!("layer{stage}.{block}.{module}.{rest}"))
}

/// The names of `nn.Sequential(*list(resnet.children())[:-1])`, the usual way to cut off a head.
fn sequential(name: &str) -> Option<String> {
    let (index, rest) = name.split_once('.')?;
    let module = match index {
        "0" => "conv1",
        "1" => "bn1",
        "4" => "layer1",
        "5" => "layer2",
        "6" => "layer3",
        "7" => "layer4",
        _ => return None,
    };
    Some(format!("{module}.{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hugging_faces_and_sequentials_names_become_torchvisions() {
        for (theirs, ours) in [
            ("embedder.embedder.convolution.weight", "conv1.weight"),
            ("embedder.embedder.normalization.running_var", "bn1.running_var"),
            ("encoder.stages.3.layers.1.layer.0.convolution.weight", "layer4.1.conv1.weight"),
            ("encoder.stages.1.layers.0.layer.1.normalization.bias", "layer2.0.bn2.bias"),
            (
                "encoder.stages.1.layers.0.shortcut.convolution.weight",
                "layer2.0.downsample.0.weight",
            ),
            ("encoder.stages.1.layers.0.shortcut.normalization.bias", "layer2.0.downsample.1.bias"),
        ] {
            assert_eq!(hugging_face(theirs).as_deref(), Some(ours));
        }
        assert_eq!(hugging_face("classifier.1.weight"), None);
        assert_eq!(
            sequential("5.0.downsample.0.weight").as_deref(),
            Some("layer2.0.downsample.0.weight")
        );
        assert_eq!(sequential("8.weight"), None);
    }
}
