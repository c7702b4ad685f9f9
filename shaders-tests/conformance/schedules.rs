//! Planning by limits alone: which kernels each row of published limits gets, and how many photos
//! at a time. No adapter is needed.

use kindling::backbone::Architecture;
use kindling::device::published::{PUBLISHED, PublishedLimits};
use kindling::engine::gpu::{GpuSchedule, ScheduledKernel};
use kindling::kernels::{
    Algorithm, DeviceTensor, Hardware, Limits, Precision, convolution, winograd,
};
use kindling::plan::{Plan, Planned};

const BATCHES: [usize; 8] = [1, 2, 3, 8, 32, 100, 1000, 1024];
const HARDWARE: [Hardware; 2] = [Hardware::Gpu, Hardware::Processor];
const PHOTO: [usize; 2] = [224, 224];

/// The plans of the networks in README, by name.
pub fn plans() -> [(&'static str, Plan); 2] {
    ["resnet18", "efficientnet-lite0"].map(|name| {
        let architecture: Architecture = name.parse().unwrap();
        (name, architecture.init(&burn::tensor::Device::flex()).plan().unwrap())
    })
}

/// The precisions that shaders compute in within these limits.
pub fn precisions(published: &PublishedLimits) -> &'static [Precision] {
    if published.f16 { &[Precision::F32, Precision::F16] } else { &[Precision::F32] }
}

#[test]
fn every_published_adapter_gets_own_kernels_within_its_limits_or_a_reason() {
    for published in PUBLISHED {
        for (network, plan) in plans() {
            for hardware in HARDWARE {
                for &precision in precisions(published) {
                    let limits = published.limits;
                    let case = format!("{network} on {} ({hardware:?})", published.name);
                    match GpuSchedule::of(&plan, PHOTO, precision, hardware, limits) {
                        Ok(schedule) => {
                            fits(&schedule, limits, precision, &case);
                            for batch in BATCHES {
                                is_planned(&schedule, limits, precision, batch, &case);
                            }
                        }
                        Err(unsupported) => {
                            assert_eq!(published.name, "vulkan", "{case}: {unsupported}");
                            assert!(unsupported.reason.contains("6 buffers"), "{unsupported}");
                        }
                    }
                }
            }
        }
    }
}

/// Every tile is within the limits, and one photo more would not be.
fn fits(schedule: &GpuSchedule, limits: Limits, precision: Precision, case: &str) {
    for step in &schedule.steps {
        let ScheduledKernel::Convolution(convolution, algorithm) = &step.kernel else { continue };
        let is_within = match algorithm {
            Algorithm::Direct(convolution::Work::Staged(tile)) => tile.fits(limits),
            Algorithm::Direct(convolution::Work::Registers(block)) => block.units() <= limits.units,
            Algorithm::Winograd(winograd::Work::Fused(tile)) => tile.fits(limits),
            Algorithm::Winograd(work @ winograd::Work::Phases { block, .. }) => {
                let channels = [convolution.in_channels, convolution.out_channels];
                block.units() <= limits.units && work.bytes_between(channels) <= limits.buffer()
            }
            Algorithm::Depthwise => true,
        };
        assert!(is_within, "{case}: {} by {}", step.name, step.kernel);
    }
    let one_more = schedule.max_batch + 1;
    let largest = largest(schedule, one_more, precision);
    let launches = schedule.launches(one_more);
    assert!(
        largest > limits.buffer() || launches.iter().any(|(_, launch)| !launch.fits(limits)),
        "{case}: {} photos would fit too",
        one_more
    );
}

/// Bytes of the largest value of this many photos.
fn largest(schedule: &GpuSchedule, photos: usize, precision: Precision) -> usize {
    let shapes = schedule.steps.iter().map(|step| step.shape);
    let bytes = |shape| DeviceTensor::bytes_of(photos, shape, precision);
    shapes.chain([[3, PHOTO[0], PHOTO[1]]]).map(bytes).max().unwrap()
}

/// The parts of a batch fit: each value a buffer, each index a `u32`, each launch the limits, and
/// each launch has a unit or a work-group for everything.
fn is_planned(
    schedule: &GpuSchedule,
    limits: Limits,
    precision: Precision,
    batch: usize,
    case: &str,
) {
    let parts = batch.div_ceil(schedule.max_batch);
    let photos = batch.div_ceil(parts);
    assert!(photos <= schedule.max_batch);
    assert!(largest(schedule, photos, precision) <= limits.buffer(), "{case}: {photos} photos");
    let launches = schedule.launches(photos);
    for (step, launch) in &launches {
        assert!(launch.fits(limits), "{case}: {step}, {photos} photos: {launch:?}");
    }
    for step in &schedule.steps {
        let [channels, height, width] = step.shape;
        let (pixels, vectors) = (photos * height * width, channels.div_ceil(4));
        assert!(u32::try_from(pixels * vectors).is_ok(), "{case}: {}", step.name);
        let ScheduledKernel::Convolution(_, Algorithm::Direct(convolution::Work::Staged(tile))) =
            step.kernel
        else {
            continue;
        };
        let (_, launch) = launches.iter().find(|(name, _)| *name == step.name).unwrap();
        let [across, down, sheets] = launch.groups;
        assert!(across * sheets * tile.block() >= pixels, "{case}: {}", step.name);
        assert!(down * tile.lanes >= vectors, "{case}: {}", step.name);
    }
}

#[test]
fn buffers_around_128_mib_and_2_and_4_gib_are_filled_and_never_exceeded() {
    let sizes =
        [128 << 20, 1 << 31, 1 << 32].into_iter().flat_map(|size| [size - 1, size, size + 1]);
    for buffer_bytes in sizes.chain([u64::MAX]) {
        let limits = Limits { units: 1024, shared: 32 << 10, buffer_bytes, ..Limits::WEBGPU };
        let mut folded = 0;
        for (network, plan) in plans() {
            for hardware in HARDWARE {
                for precision in [Precision::F32, Precision::F16] {
                    let case = format!("{network} with {buffer_bytes} bytes ({hardware:?})");
                    let schedule =
                        GpuSchedule::of(&plan, PHOTO, precision, hardware, limits).unwrap();
                    fits(&schedule, limits, precision, &case);
                    is_planned(&schedule, limits, precision, schedule.max_batch, &case);
                    // The buffer is full up to a photo.
                    let photo = largest(&schedule, 1, precision);
                    assert_eq!(schedule.max_batch, limits.buffer() / photo, "{case}");
                    let launches = schedule.launches(schedule.max_batch);
                    folded +=
                        launches.iter().filter(|(_, launch)| launch.groups[1..] != [1, 1]).count();
                }
            }
        }
        // More than 65,535 work-groups are needed, and the tests above say that they fit.
        assert!(folded > 0, "{buffer_bytes}");
    }
}

#[test]
fn limits_that_are_too_low_are_refused_with_their_reason() {
    let [(_, resnet), (_, efficientnet)] = plans();
    let refused = |plan: &Plan, limits| {
        GpuSchedule::of(plan, PHOTO, Precision::F32, Hardware::Gpu, limits).unwrap_err().to_string()
    };
    let least = Limits::WEBGPU;
    for (limits, reason) in [
        (Limits { units: 8, ..least }, "fewer units or less shared memory"),
        (Limits { shared: 1024, ..least }, "fewer units or less shared memory"),
        (Limits { buffers: 4, ..least }, "fewer than the 6 buffers"),
        (Limits { groups: 1000, ..least }, "fewer than 65535 work-groups"),
    ] {
        let text = refused(&resnet, limits);
        assert!(
            text.starts_with("the network is not supported: ") && text.contains(reason),
            "{text}"
        );
        assert!(text.len() < 300, "{text}");
    }
    // ResNet-18's last convolutions have 9.4 MB of weights; its first writes 3.2 MB for a photo.
    let text = refused(&resnet, Limits { buffer_bytes: 8 << 20, ..least });
    assert!(text.contains("`layer4.0.conv2") && text.contains("its weights are larger"), "{text}");
    let text = refused(&efficientnet, Limits { buffer_bytes: 4 << 20, ..least });
    assert!(text.contains("one photo's values") && text.contains("--image-size"), "{text}");
}

#[test]
fn transformed_filters_that_exceed_a_buffer_are_left_untransformed() {
    let [(_, resnet), _] = plans();
    // 36 MiB transformed, 9 MiB as they are.
    let limits = Limits { buffer_bytes: 16 << 20, ..Limits::WEBGPU };
    let schedule = GpuSchedule::of(&resnet, PHOTO, Precision::F32, Hardware::Gpu, limits).unwrap();
    let algorithm = |name: &str| {
        let step = schedule.steps.iter().find(|step| step.name.starts_with(name)).unwrap();
        match step.kernel {
            ScheduledKernel::Convolution(_, algorithm) => algorithm,
            ScheduledKernel::MaxPool(_) => panic!("{name} is no convolution"),
        }
    };
    assert!(matches!(algorithm("layer4.0.conv2"), Algorithm::Direct(_)));
    assert!(matches!(algorithm("layer1.0.conv1"), Algorithm::Winograd(_)));
}
