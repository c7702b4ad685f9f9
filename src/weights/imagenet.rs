//! The names of ImageNet's 1000 classes, for networks that still have their ImageNet fc layer.

/// One name per line, in the order of the logits: torchvision's `_IMAGENET_CATEGORIES`
/// (BSD-3-Clause, Soumith Chintala 2016).
const NAMES: &str = include_str!("imagenet_classes.txt");

/// ImageNet's 1000 class names, in the order of the logits.
pub fn imagenet_classes() -> Vec<String> {
    NAMES.lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_a_thousand_classes_in_the_order_of_the_logits() {
        let names = imagenet_classes();
        assert_eq!(names.len(), 1000);
        for (index, name) in [(0, "tench"), (281, "tabby"), (340, "zebra"), (999, "toilet tissue")]
        {
            assert_eq!(names[index], name);
        }
    }
}
