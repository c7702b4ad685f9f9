// A CUDA driver that computes nothing: it lets CubeCL generate every kernel for a device that is
// not there, and compile it with the real NVRTC. The test target `cuda` builds it into a temporary
// folder as libcuda.so; nothing else loads it, and without the two variables below it has no
// device.
//
// KINDLING_STAND_IN_CAPABILITY: the compute capability, 75, 80 or 90.
// KINDLING_STAND_IN_FOLDER: gets each module as `<number>.ptx`, and a file `log` with a line for
// each module's first launch: "launch", number, entry point, threads per block and bytes of dynamic
// shared memory, separated by tabs.
//
// A launch is checked against the device's limits and then left out. Memory is the host's, so that
// copies work. A function that CubeCL calls and this file lacks ends the process with the
// function's name, which cudarc prints. CubeCL loads modules and launches kernels on one thread per
// device, so the counter needs no lock.
#include <cuda.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Compute capability, name, bytes of shared memory that a block may ask for, and multiprocessors of
// the named card. Source: NVIDIA, CUDA C++ Programming Guide, "Technical Specifications per Compute
// Capability", and the whitepapers of Turing, Ampere and Hopper for the multiprocessors.
static const struct device {
    int capability;
    const char *name;
    int shared;
    int multiprocessors;
} DEVICES[] = {
    {75, "stand-in for a Tesla T4, computes nothing", 64 << 10, 40},
    {80, "stand-in for an A100, computes nothing", 163 << 10, 108},
    {90, "stand-in for an H100, computes nothing", 227 << 10, 132},
};

// The same for all of them.
enum { THREADS = 1024, THREADS_DEEP = 64, BLOCKS_ACROSS = 2147483647, BLOCKS_DOWN = 65535 };

static const struct device *device;
static const char *folder;

struct CUfunc_st {
    int module;
    int shared;
    int launched;
    char entry[256];
};

CUresult cuInit(unsigned int flags) {
    const char *capability = getenv("KINDLING_STAND_IN_CAPABILITY");
    folder = getenv("KINDLING_STAND_IN_FOLDER");
    if (capability == NULL || folder == NULL || flags != 0) return CUDA_ERROR_NO_DEVICE;
    for (size_t at = 0; at < sizeof DEVICES / sizeof *DEVICES; at++)
        if (DEVICES[at].capability == atoi(capability)) device = &DEVICES[at];
    return device == NULL ? CUDA_ERROR_NO_DEVICE : CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int *version) {
    *version = CUDA_VERSION;
    return CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult error, const char **text) {
    static char name[32];
    snprintf(name, sizeof name, "CUDA error %d", (int)error);
    *text = name;
    return CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult error, const char **text) { return cuGetErrorName(error, text); }

CUresult cuDeviceGetCount(int *count) {
    *count = device != NULL;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice *handle, int ordinal) {
    *handle = 0;
    return ordinal == 0 && device != NULL ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceGetName(char *name, int length, CUdevice handle) {
    snprintf(name, length, "%s", device->name);
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetPCIBusId(char *text, int length, CUdevice handle) {
    return CUDA_ERROR_NOT_SUPPORTED;
}

CUresult cuDeviceTotalMem(size_t *bytes, CUdevice handle) {
    *bytes = (size_t)16 << 30;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice handle) {
    const struct {
        CUdevice_attribute attribute;
        int value;
    } attributes[] = {
        {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device->capability / 10},
        {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device->capability % 10},
        {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, device->shared},
        {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device->multiprocessors},
        {CU_DEVICE_ATTRIBUTE_WARP_SIZE, 32},
        {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, THREADS},
        {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X, THREADS},
        {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y, THREADS},
        {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z, THREADS_DEEP},
        {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X, BLOCKS_ACROSS},
        {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y, BLOCKS_DOWN},
        {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z, BLOCKS_DOWN},
    };
    for (size_t at = 0; at < sizeof attributes / sizeof *attributes; at++)
        if (attributes[at].attribute == attribute) {
            *value = attributes[at].value;
            return CUDA_SUCCESS;
        }
    return CUDA_ERROR_INVALID_VALUE;
}

// Contexts, streams and events: nothing waits, because nothing runs.

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice handle) {
    *context = (CUcontext)&device;
    return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext context) { return CUDA_SUCCESS; }

CUresult cuStreamCreate(CUstream *stream, unsigned int flags) {
    *stream = (CUstream)malloc(1);
    return CUDA_SUCCESS;
}

CUresult cuStreamDestroy(CUstream stream) {
    free(stream);
    return CUDA_SUCCESS;
}

CUresult cuStreamSynchronize(CUstream stream) { return CUDA_SUCCESS; }

CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned int flags) {
    return CUDA_SUCCESS;
}

CUresult cuEventCreate(CUevent *event, unsigned int flags) {
    *event = (CUevent)malloc(1);
    return CUDA_SUCCESS;
}

CUresult cuEventDestroy(CUevent event) {
    free(event);
    return CUDA_SUCCESS;
}

CUresult cuEventRecord(CUevent event, CUstream stream) { return CUDA_SUCCESS; }

CUresult cuEventSynchronize(CUevent event) { return CUDA_SUCCESS; }

// Memory is the host's.

CUresult cuMemAlloc(CUdeviceptr *pointer, size_t bytes) {
    void *memory = NULL;
    if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
    if (posix_memalign(&memory, 512, bytes) != 0) return CUDA_ERROR_OUT_OF_MEMORY;
    *pointer = (CUdeviceptr)memory;
    return CUDA_SUCCESS;
}

CUresult cuMemAllocAsync(CUdeviceptr *pointer, size_t bytes, CUstream stream) {
    return cuMemAlloc(pointer, bytes);
}

CUresult cuMemFree(CUdeviceptr pointer) {
    free((void *)pointer);
    return CUDA_SUCCESS;
}

CUresult cuMemFreeAsync(CUdeviceptr pointer, CUstream stream) { return cuMemFree(pointer); }

CUresult cuMemAllocHost(void **pointer, size_t bytes) {
    return cuMemAlloc((CUdeviceptr *)pointer, bytes);
}

CUresult cuMemFreeHost(void *pointer) { return cuMemFree((CUdeviceptr)pointer); }

CUresult cuMemcpyHtoDAsync(CUdeviceptr target, const void *source, size_t bytes, CUstream stream) {
    memcpy((void *)target, source, bytes);
    return CUDA_SUCCESS;
}

CUresult cuMemcpyDtoHAsync(void *target, CUdeviceptr source, size_t bytes, CUstream stream) {
    memcpy(target, (void *)source, bytes);
    return CUDA_SUCCESS;
}

CUresult cuMemcpyDtoDAsync(CUdeviceptr target, CUdeviceptr source, size_t bytes, CUstream stream) {
    memmove((void *)target, (void *)source, bytes);
    return CUDA_SUCCESS;
}

// Modules are kept as files, launches are checked and left out.

CUresult cuModuleLoadData(CUmodule *module, const void *image) {
    static int loaded;
    char path[4096];
    snprintf(path, sizeof path, "%s/%d.ptx", folder, ++loaded);
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(image, file) < 0 || fclose(file) != 0)
        return CUDA_ERROR_FILE_NOT_FOUND;
    *module = (CUmodule)(size_t)loaded;
    return CUDA_SUCCESS;
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
    *function = calloc(1, sizeof **function);
    if (*function == NULL) return CUDA_ERROR_OUT_OF_MEMORY;
    (*function)->module = (int)(size_t)module;
    snprintf((*function)->entry, sizeof (*function)->entry, "%s", name);
    return CUDA_SUCCESS;
}

CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
    if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES || value > device->shared)
        return CUDA_ERROR_INVALID_VALUE;
    function->shared = value;
    return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(CUfunction function, unsigned int across, unsigned int down,
                        unsigned int sheets, unsigned int wide, unsigned int high,
                        unsigned int deep, unsigned int shared, CUstream stream, void **arguments,
                        void **extra) {
    size_t threads = (size_t)wide * high * deep;
    if (across < 1 || across > BLOCKS_ACROSS || down < 1 || down > BLOCKS_DOWN || sheets < 1 ||
        sheets > BLOCKS_DOWN || threads < 1 || threads > THREADS || deep > THREADS_DEEP ||
        shared > (unsigned int)function->shared)
        return CUDA_ERROR_INVALID_VALUE;
    if (function->launched) return CUDA_SUCCESS;
    function->launched = 1;
    char path[4096];
    snprintf(path, sizeof path, "%s/log", folder);
    FILE *log = fopen(path, "a");
    if (log == NULL) return CUDA_ERROR_FILE_NOT_FOUND;
    fprintf(log, "launch\t%d\t%s\t%zu\t%u\n", function->module, function->entry, threads, shared);
    return fclose(log) == 0 ? CUDA_SUCCESS : CUDA_ERROR_FILE_NOT_FOUND;
}
