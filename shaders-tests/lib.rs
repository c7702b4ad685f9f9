//! Nothing to use: this package is its tests. They run the network and each of its ops on the wgpu
//! adapter of the machine, and compare with the CPU backend and with PyTorch's numbers.
