// Compiles dumped shaders with Dawn's null adapter, which has f16 as SwiftShader has not:
//
//     KINDLING_DUMP_SHADERS=/tmp/shaders cargo test --release --test conformance every_shader_compiles
//     npm install webgpu && node shaders-tests/conformance/shaders/dawn.mjs /tmp/shaders
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRequire } from 'node:module';

// From the folder of the call, where `npm install` puts it.
const { create, globals } = await import(createRequire(join(process.cwd(), '-')).resolve('webgpu'));
const folder = process.argv[2];
// Dawn does not keep what only it refers to.
const kept = [create(['backend=null'])];
const adapter = await kept[0].requestAdapter();
kept.push(adapter);
const wanted = ['maxComputeInvocationsPerWorkgroup', 'maxComputeWorkgroupSizeX',
    'maxComputeWorkgroupStorageSize', 'maxStorageBuffersPerShaderStage'];
const device = await adapter.requestDevice({
    requiredFeatures: ['shader-f16'],
    requiredLimits: Object.fromEntries(wanted.map(limit => [limit, adapter.limits[limit]])),
});
kept.push(device);
let [compiled, refused] = [0, 0];
for (const { file, entry, writable } of JSON.parse(readFileSync(join(folder, 'shaders.json')))) {
    const messages = [];
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ code: readFileSync(join(folder, file), 'utf8') });
    for (const { type, lineNum, linePos, message } of (await module.getCompilationInfo()).messages)
        messages.push(`${type}: ${lineNum}:${linePos} ${message}`);
    await device.popErrorScope();
    if (messages.length === 0) {
        const entries = writable.map((writes, binding) => ({
            binding, visibility: globals.GPUShaderStage.COMPUTE,
            buffer: { type: writes ? 'storage' : 'read-only-storage' },
        }));
        const layout = device.createPipelineLayout(
            { bindGroupLayouts: [device.createBindGroupLayout({ entries })] });
        try {
            await device.createComputePipelineAsync({ layout, compute: { module, entryPoint: entry } });
        } catch (error) { messages.push(error.message); }
    }
    messages.length === 0 ? compiled++ : refused++;
    for (const message of messages) console.log(`${file}: ${message}`);
}
console.log(`${compiled} compiled, ${refused} refused`);
process.exit(refused === 0 ? 0 : 1);
