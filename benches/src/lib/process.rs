//! Processes that are measured: puts them on a core, and reads the time and memory that they take.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// Makes a command that runs on one core.
pub fn pinned(core: usize, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}

/// Returns a port of loopback on which nothing listens now.
///
/// # Errors
/// When the system has none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Returns the user and system time of a process and all its threads, in seconds.
///
/// # Errors
/// When the process has ended.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    cpu_of(Path::new(&format!("/proc/{pid}")))
}

/// Returns the user and system time of those threads of a process whose names begin with one of
/// `names`, in seconds.
///
/// # Errors
/// When the process has ended.
pub fn cpu_seconds_of_threads(pid: u32, names: &[&str]) -> Result<f64> {
    let mut seconds = 0.0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let thread = thread?.path();
        let name = fs::read_to_string(thread.join("comm"))?;
        if names.iter().any(|wanted| name.starts_with(wanted)) {
            seconds += cpu_of(&thread)?;
        }
    }
    Ok(seconds)
}

fn cpu_of(task: &Path) -> Result<f64> {
    let stat = fs::read_to_string(task.join("stat"))?;
    let after_name = stat.rsplit_once(')').context("/proc stat")?.1;
    let ticks = |field: usize| -> Result<f64> {
        Ok(after_name.split_whitespace().nth(field).context("/proc stat")?.parse()?)
    };
    let per_second = f64::from(u32::try_from(rustix::param::clock_ticks_per_second())?);
    Ok((ticks(11)? + ticks(12)?) / per_second)
}

/// Returns the resident memory of a process, in bytes.
///
/// # Errors
/// When the process has ended.
pub fn resident_bytes(pid: u32) -> Result<usize> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("/proc status")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<usize>()? * 1024)
}

/// Describes the machine: processor, number of cores, kernel.
pub fn machine() -> String {
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{}, {cores} cores, Linux {}",
        model.trim_start_matches([' ', '\t', ':']),
        kernel.trim()
    )
}
