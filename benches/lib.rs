//! The roofline of the machine: upper bounds for the speed of the backbone.

mod cost;

use std::hint::black_box;
use std::time::Instant;

pub use cost::Cost;
use kindling::device::Instructions;
use kindling::plan::{Convolution, Operation, Padding, Plan, Value};
use pulp::{Arch, Simd, WithSimd};
use serde_json::json;

/// Upper bounds for a network on this machine.
#[derive(Clone, Copy, Debug)]
pub struct Roofline {
    /// Measured peak on all cores: billions of f32 additions and multiplications per second.
    pub peak_gflops: f64,
    /// Measured rate of copying in the last cache, on all cores: billions of bytes per second, each
    /// byte counted when it is read and when it is written.
    pub copied_gb_per_s: f64,
    /// Photos per second at that peak if every convolution is computed directly.
    pub direct_images_per_s: f64,
    /// Photos per second at that peak if 3x3 convolutions of stride 1 use Winograd's F(4x4, 3x3),
    /// as in the compiled network. Winograd's transforms, which are additions, are not counted.
    pub winograd_images_per_s: f64,
}

impl Roofline {
    /// Measures the machine's peak and counts the plan's multiplications for photos of `side`.
    pub fn of(plan: &Plan, side: usize, instructions: Instructions) -> Self {
        let peak = peak(instructions);
        let [direct, winograd] = multiplications(plan, side).map(|count| peak / (2.0 * count));
        Self {
            peak_gflops: peak / 1e9,
            copied_gb_per_s: copied() / 1e9,
            direct_images_per_s: direct,
            winograd_images_per_s: winograd,
        }
    }

    /// The bounds as one line of JSON.
    pub fn json(&self) -> String {
        json!({
            "peak_gflops": self.peak_gflops,
            "copied_gb_per_s": self.copied_gb_per_s,
            "direct_images_per_s": self.direct_images_per_s,
            "winograd_images_per_s": self.winograd_images_per_s,
        })
        .to_string()
    }
}

/// Multiplications for one photo: with direct convolution, and with Winograd's F(4x4, 3x3).
pub fn multiplications(plan: &Plan, side: usize) -> [f64; 2] {
    let shapes = plan.shapes([side, side]).expect("a published network");
    let (mut direct, mut winograd) = (0, 0);
    for (step, [_, height, width]) in plan.steps.iter().zip(&shapes) {
        let Operation::Convolution { input, convolution } = &step.operation else { continue };
        let per_pixel = convolution.in_channels / convolution.groups * convolution.out_channels;
        let count = height * width * per_pixel * convolution.kernel * convolution.kernel;
        direct += count;
        winograd += match is_winograd(*input, convolution) {
            true => height.div_ceil(4) * width.div_ceil(4) * 36 * per_pixel,
            false => count,
        };
    }
    [direct as f64, winograd as f64]
}

/// Whether Winograd's F(4x4, 3x3) can compute a convolution.
fn is_winograd(input: Value, convolution: &Convolution) -> bool {
    let Convolution { kernel, stride, groups, padding, .. } = convolution;
    (*kernel, *stride, *groups, *padding) == (3, 1, 1, Padding::Each(1)) && input != Value::Input
}

/// Floating-point operations per second of all cores, with independent multiply-adds in registers.
/// This is the best of 15 short runs, so that other load on the machine does not lower the bound.
fn peak(instructions: Instructions) -> f64 {
    const STEPS: usize = 2_000_000;
    best_rate(|| {
        let multiply_adds = MultiplyAdds { steps: STEPS };
        #[cfg(target_arch = "x86_64")]
        if instructions == Instructions::Avx2
            && let Some(simd) = pulp::x86::V3::try_new()
        {
            return Simd::vectorize(simd, multiply_adds);
        }
        Arch::new().dispatch(multiply_adds)
    })
}

/// Bytes per second that all cores read and write while they copy buffers that are larger than a
/// second cache and together smaller than a third.
fn copied() -> f64 {
    const FLOATS: usize = 512 * 1024;
    const PASSES: usize = 64;
    best_rate(|| {
        // The first pass also maps the pages.
        let (source, mut target) = (vec![1.0_f32; FLOATS], vec![0.0_f32; FLOATS]);
        for _ in 0..PASSES {
            target.copy_from_slice(black_box(&source));
            black_box(&mut target);
        }
        (2 * PASSES * FLOATS * size_of::<f32>()) as f64
    })
}

/// The sum of what `work` returns on all cores, per second: the best of 15 runs.
fn best_rate(work: impl Fn() -> f64 + Sync) -> f64 {
    (0..15)
        .map(|_| {
            let start = Instant::now();
            let total: f64 = rayon::broadcast(|_| work()).into_iter().sum();
            total / start.elapsed().as_secs_f64()
        })
        .fold(0.0, f64::max)
}

/// Independent chains of multiply-adds. Returns the number of operations.
struct MultiplyAdds {
    steps: usize,
}

impl WithSimd for MultiplyAdds {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        // Enough chains to hide the latency, but no more than there are registers.
        match S::REGISTER_COUNT >= 32 {
            true => chains::<S, 24>(simd, self.steps),
            false => chains::<S, 12>(simd, self.steps),
        }
    }
}

#[inline(always)]
fn chains<S: Simd, const CHAINS: usize>(simd: S, steps: usize) -> f64 {
    let factor = simd.splat_f32s(black_box(0.999));
    let term = simd.splat_f32s(black_box(0.001));
    let mut sums = [simd.splat_f32s(black_box(1.0)); CHAINS];
    for _ in 0..steps {
        for sum in &mut sums {
            *sum = simd.mul_add_e_f32s(*sum, factor, term);
        }
    }
    black_box(sums);
    (2 * steps * CHAINS * S::F32_LANES) as f64
}

#[cfg(test)]
mod tests {
    use kindling::backbone::Architecture;
    use kindling::plan::Planned;

    use super::*;

    #[test]
    fn resnet18s_multiplications_agree_with_the_paper() {
        let Some(info) = kindling::device::list().into_iter().find(|info| !info.kind.is_gpu())
        else {
            return;
        };
        let device = kindling::device::open(&info).unwrap();
        let plan = "resnet18".parse::<Architecture>().unwrap().init(&device).plan().unwrap();
        let [direct, winograd] = multiplications(&plan, 224);
        // 1.81e9 with the fc layer's half a million. He et al. 2016, table 1: "1.8 x 10^9".
        assert!((direct / 1.814e9 - 1.0).abs() < 0.001, "{direct}");
        assert!((winograd / 0.738e9 - 1.0).abs() < 0.01, "{winograd}");
    }
}
