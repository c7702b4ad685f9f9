//! How a launch is divided into work-groups: pure functions of the adapter's limits.

use cubecl::prelude::{CubeCount, CubeDim};

use super::limits::Limits;

/// Units per work-group of kernels that process each output on its own.
const LINE: usize = 64;

/// The work-groups of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Work-groups along each dimension.
    pub groups: [usize; 3],
    /// Units per work-group, all along the first dimension.
    pub units: usize,
}

impl Launch {
    /// A launch of `units` units in a row. If it has more work-groups than the adapter allows along
    /// a dimension, it is folded into the second dimension, then into the third.
    pub fn line(limits: Limits, units: usize) -> Self {
        let group = LINE.min(limits.units);
        let groups = units.div_ceil(group).max(1);
        let rows = groups.div_ceil(limits.groups);
        let across = groups.div_ceil(rows);
        let sheets = rows.div_ceil(limits.groups);
        Self { groups: [across, rows.div_ceil(sheets), sheets], units: group }
    }

    /// A launch of `across` by `down` work-groups of `units` units. If `across` is more than the
    /// adapter allows along a dimension, it is folded into the third dimension.
    pub fn grid(limits: Limits, across: usize, down: usize, units: usize) -> Self {
        let across = across.max(1);
        let sheets = across.div_ceil(limits.groups);
        Self { groups: [across.div_ceil(sheets), down, sheets], units }
    }

    /// Work-groups along the first dimension.
    pub fn across(self) -> usize {
        self.groups[0]
    }

    /// Whether it is within `limits`, and no unit's number exceeds a `u32`, in which shaders count
    /// them.
    pub fn fits(self, limits: Limits) -> bool {
        let units = self.groups.iter().try_fold(self.units, |all, groups| all.checked_mul(*groups));
        self.groups.iter().all(|groups| *groups <= limits.groups)
            && self.units <= limits.units
            && units.is_some_and(|units| u32::try_from(units).is_ok())
    }

    /// The work-groups for CubeCL. Those of a launch that [`fits`](Self::fits) are never cut off.
    pub(crate) fn cubes(self) -> CubeCount {
        let [across, down, sheets] = self.groups.map(|groups| groups as u32);
        CubeCount::Static(across, down, sheets)
    }

    /// The units of a work-group for CubeCL.
    pub(crate) fn dimension(self) -> CubeDim {
        CubeDim::new_1d(self.units as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: [Limits; 4] = [
        Limits::WEBGPU,
        Limits { units: 1024, groups: 65536, ..Limits::WEBGPU },
        Limits { units: 32, ..Limits::WEBGPU },
        Limits { groups: i32::MAX as usize, ..Limits::WEBGPU },
    ];

    /// Numbers on both sides of the limits of work-groups.
    fn numbers() -> impl Iterator<Item = usize> {
        [1, 63, 64, 65, 65535, 65536, 65537, 64 * 65535, 1 << 27, 1 << 28]
            .into_iter()
            .flat_map(|number: usize| [number - 1, number, number + 1])
    }

    #[test]
    fn a_folded_line_has_a_unit_for_everything_and_few_more() {
        for limits in LIMITS {
            for number in numbers() {
                let launch = Launch::line(limits, number);
                let units = launch.units * launch.groups.iter().product::<usize>();
                assert!(launch.fits(limits), "{number} in {limits:?}: {launch:?}");
                assert!(units >= number, "{number} in {limits:?}: {launch:?}");
                // Each fold rounds up to whole rows or sheets.
                let rounding = launch.units * (1 + launch.groups[1] + launch.groups[2]);
                assert!(units <= number + rounding, "{number} in {limits:?}: {launch:?}");
            }
        }
    }

    #[test]
    fn a_line_of_narrow_groups_is_folded_twice() {
        let limits = Limits { units: 1, groups: 100, ..Limits::WEBGPU };
        let launch = Launch::line(limits, 999_999);
        assert_eq!(launch, Launch { groups: [100, 100, 100], units: 1 });
        assert!(launch.fits(limits));
    }

    #[test]
    fn a_folded_grid_has_a_group_for_every_block() {
        for limits in LIMITS {
            for across in numbers().filter(|number| *number < 1 << 25) {
                let launch = Launch::grid(limits, across, 3, 32);
                let [x, y, z] = launch.groups;
                assert!(x * z >= across && x * z <= across + z, "{across}: {launch:?}");
                assert_eq!((y, launch.across()), (3, x));
                assert!(launch.fits(limits), "{across} in {limits:?}: {launch:?}");
            }
        }
    }

    #[test]
    fn more_units_than_a_u32_counts_do_not_fit() {
        let limits = Limits::WEBGPU;
        assert!(Launch::line(limits, u32::MAX as usize - (1 << 20)).fits(limits));
        assert!(!Launch::line(limits, u32::MAX as usize + 1).fits(limits));
        assert!(!Launch::grid(limits, 1 << 30, 64, 256).fits(limits));
        assert!(!Launch::grid(limits, 1, 65536, 1).fits(limits));
    }
}
