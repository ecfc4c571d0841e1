//! Processes to be measured: on which core they run, what time and memory they take.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// A command on one core.
pub fn pinned(core: usize, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}

/// A port of loopback that nobody listens on now.
///
/// # Errors
/// When the system has none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// User and system time of a process and all its threads, in seconds.
///
/// # Errors
/// When it has ended.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    cpu_of(Path::new(&format!("/proc/{pid}")))
}

/// … of those of its threads whose names begin with one of these.
///
/// # Errors
/// When it has ended.
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

/// Memory of a process that is really there, in bytes.
///
/// # Errors
/// When it has ended.
pub fn resident_bytes(pid: u32) -> Result<usize> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("/proc status")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<usize>()? * 1024)
}

/// The machine in a few words.
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
