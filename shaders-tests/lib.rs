//! Nothing to use: this package is its tests. They hold our own kernels, and every kernel that Burn's autotuning chooses among,
//! to values computed in f64 on the wgpu adapter of the machine, and the networks to PyTorch's numbers.
