//! NVIDIA's compilers, which need no card, and the C compiler that builds the stand-in driver.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use walk::files;

/// The file name of the stand-in driver: cudarc looks for it before any other.
pub const DRIVER: &str = "libcuda.so";
/// A folder below which the tools lie, such as a virtual environment or a CUDA toolkit.
const TOOLS: &str = "KINDLING_CUDA_TOOLS";

/// Where NVIDIA's tools are.
pub struct Tools {
    /// The folder of `libnvrtc.so`.
    pub nvrtc: PathBuf,
    /// The folder whose `include` has `cuda.h` and `cuda_fp16.h`.
    pub toolkit: PathBuf,
    /// The assembler, which says how many registers a kernel takes.
    ptxas: PathBuf,
}

/// What the assembler says about a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assembled {
    /// Registers per thread.
    pub registers: usize,
    /// Bytes of local memory per thread: arrays indexed at run time, and spilled registers.
    pub stack: usize,
    /// Bytes of spilled registers that are stored and loaded.
    pub spilled: [usize; 2],
    /// Bytes of shared memory that the kernel declares, besides what a launch asks for.
    pub shared: usize,
}

impl Tools {
    /// Looks below `KINDLING_CUDA_TOOLS`, or `target/cuda-tools`.
    pub fn find() -> Result<Self, String> {
        let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/cuda-tools");
        let root = std::env::var_os(TOOLS).map_or(default, PathBuf::from);
        let files = files(&root);
        let folder_of = |name: &str, is: fn(&str, &str) -> bool| {
            let found = files.iter().find(|file| {
                file.file_name().and_then(|file| file.to_str()).is_some_and(|file| is(file, name))
            });
            let folder = found.and_then(|file| file.parent()).map(Path::to_path_buf);
            folder.ok_or_else(|| {
                format!(
                    "no {name} below {} ({TOOLS}): docs/cuda.md has the line that installs it",
                    root.display()
                )
            })
        };
        let headers = folder_of("cuda_fp16.h", |file, name| file == name)?;
        Ok(Self {
            // With its version: libnvrtc.so.12.
            nvrtc: folder_of("libnvrtc.so", |file, name| file.starts_with(name))?,
            toolkit: headers.parent().map_or(headers.clone(), Path::to_path_buf),
            ptxas: folder_of("ptxas", |file, name| file == name)?.join("ptxas"),
        })
    }

    /// Builds the stand-in driver at `library`.
    pub fn build_driver(&self, library: &Path) -> Result<(), String> {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/cuda/stand_in_driver.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(library).arg(source);
        output(compiler.arg("-I").arg(self.toolkit.join("include"))).map(drop)
    }

    /// Assembles a module for the architecture that it names.
    pub fn assemble(&self, module: &Path) -> Result<Assembled, String> {
        let ptx = std::fs::read_to_string(module).map_err(|error| error.to_string())?;
        let target = ptx.lines().find_map(|line| line.strip_prefix(".target "));
        let target = target.and_then(|names| names.split(',').next()).unwrap_or_default().trim();
        let mut assembler = Command::new(&self.ptxas);
        assembler.args(["--verbose", "--gpu-name", target, "--output-file"]);
        let cubin = module.with_extension("cubin");
        Assembled::read(&output(assembler.arg(cubin).arg(module))?)
    }
}

impl Assembled {
    /// Reads the assembler's own words.
    fn read(text: &str) -> Result<Self, String> {
        let before = |unit: &str| {
            let (head, _) = text.split_once(unit)?;
            head.split_whitespace().next_back()?.parse().ok()
        };
        let need = |unit: &str| before(unit).ok_or_else(|| format!("no{unit} in: {text}"));
        Ok(Self {
            registers: need(" registers")?,
            stack: need(" bytes stack frame")?,
            spilled: [need(" bytes spill stores")?, need(" bytes spill loads")?],
            // Left out where it is zero.
            shared: before(" bytes smem").unwrap_or(0),
        })
    }
}

/// Runs `command` and returns what it wrote to standard error, where the assembler writes.
fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let Output { status, stderr, .. } =
        command.output().map_err(|error| format!("{name}: {error}"))?;
    let text = String::from_utf8_lossy(&stderr).into_owned();
    match status.success() {
        true => Ok(text),
        false => Err(format!("{name}: {}", text.lines().next().unwrap_or("it failed"))),
    }
}

mod walk {
    use std::path::{Path, PathBuf};

    /// All files below `folder`. Links are not followed.
    pub fn files(folder: &Path) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![folder.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                    Ok(_) => files.push(entry.path()),
                    Err(_) => (),
                }
            }
        }
        files.sort();
        files
    }
}
