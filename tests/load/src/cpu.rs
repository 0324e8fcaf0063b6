//! Processor time of processes, read from /proc.

use anyhow::{Context, Result, anyhow};
use std::fs;
use std::process::Command;
use std::time::Duration;

/// Processor time in user and kernel mode, as the kernel counts it: in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own_ticks: u64,
    /// Of children that have ended and were waited for.
    ended_children_ticks: u64,
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The program's name stands in brackets and may itself hold brackets and spaces.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    Some(Stat {
        parent: u32::try_from(number(1)?).ok()?,
        own_ticks: number(11)? + number(12)?,
        ended_children_ticks: number(13)? + number(14)?,
    })
}

fn parse_resident_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Memory of a process that is in RAM, in KiB.
pub(crate) fn resident_kib(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    parse_resident_kib(&status).ok_or_else(|| anyhow!("{path} has no VmRSS"))
}

/// The processes whose time is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meter {
    ticks_per_second: u64,
    server: Option<u32>,
    database: Option<u32>,
}

/// What has been used up to an instant, or between two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) server: Duration,
    pub(crate) database: Duration,
    pub(crate) generator: Duration,
}

impl Used {
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            server: self.server.saturating_sub(earlier.server),
            database: self.database.saturating_sub(earlier.database),
            generator: self.generator.saturating_sub(earlier.generator),
        }
    }
}

impl Meter {
    /// A meter of nothing but this process, with the kernel's tick.
    pub(crate) fn of_generator() -> Result<Self> {
        let output = Command::new("getconf").arg("CLK_TCK").output().context("running getconf")?;
        let text = String::from_utf8(output.stdout)?;
        let ticks_per_second = text.trim().parse().with_context(|| format!("getconf CLK_TCK said {text:?}"))?;
        Ok(Self { ticks_per_second, server: None, database: None })
    }

    /// Counts a server too.
    pub(crate) fn with_server(self, pid: u32) -> Self {
        Self { server: Some(pid), ..self }
    }

    /// Counts a database too: this process and all its children.
    pub(crate) fn with_database(self, first: u32) -> Self {
        Self { database: Some(first), ..self }
    }

    /// Reads what has been used so far.
    pub(crate) fn read(&self) -> Result<Used> {
        Ok(Used {
            server: self.time(self.server.map_or(Ok(0), own_ticks)?),
            database: self.time(self.database.map_or(Ok(0), family_ticks)?),
            generator: self.time(own_ticks(std::process::id())?),
        })
    }

    fn time(&self, ticks: u64) -> Duration {
        Duration::from_micros(ticks.saturating_mul(1_000_000) / self.ticks_per_second.max(1))
    }
}

fn read_stat(pid: u32) -> Result<Stat> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    parse_stat(&text).ok_or_else(|| anyhow!("{path} is not as expected: {text}"))
}

fn own_ticks(pid: u32) -> Result<u64> {
    read_stat(pid).map(|stat| stat.own_ticks)
}

/// The first process, its children, and those of its children that have ended.
fn family_ticks(first: u32) -> Result<u64> {
    let mut ticks = 0;
    for entry in fs::read_dir("/proc").context("reading /proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // Whoever ended between the listing and here is counted with its parent.
        let Ok(stat) = read_stat(pid) else { continue };
        if stat.parent == first {
            ticks += stat.own_ticks;
        }
    }
    // Read last: a child that ends meanwhile is then counted twice at worst, and not lost.
    let first = read_stat(first)?;
    Ok(ticks + first.own_ticks + first.ended_children_ticks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let text = "42 (a) b (c)) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 9 1 20 0 5 0 100 200 300\n";
        let stat = parse_stat(text);
        assert_eq!(stat, Some(Stat { parent: 7, own_ticks: 200, ended_children_ticks: 10 }));
    }

    #[test]
    fn a_line_that_is_cut_short_is_no_stat() {
        assert_eq!(parse_stat("42 (x) S 7 42 42 0 -1 4194560 1 2 3 4 150"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn the_resident_memory_is_found_among_the_other_lines() {
        assert_eq!(parse_resident_kib("Name:\tx\nVmHWM:\t  9 kB\nVmRSS:\t   40212 kB\n"), Some(40212));
        assert_eq!(parse_resident_kib("Name:\tx\n"), None);
        assert!(resident_kib(std::process::id()).is_ok_and(|kib| kib > 100));
    }

    #[test]
    fn work_done_here_shows_in_this_process_alone() -> Result<()> {
        let meter = Meter::of_generator()?;
        let before = meter.read()?;
        let began = Instant::now();
        let mut sum = 0_u64;
        // Ticks are 10 ms: until some are seen, however little of the processor this test gets.
        let used = loop {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(7));
            let used = meter.read()?.since(before);
            if used.generator >= Duration::from_millis(30) || began.elapsed() > Duration::from_secs(30) {
                break used;
            }
        };
        assert!(used.generator >= Duration::from_millis(30), "{used:?} after {:?}", began.elapsed());
        assert_eq!((used.server, used.database), (Duration::ZERO, Duration::ZERO));
        Ok(())
    }

    #[test]
    fn a_child_counts_with_its_parent_while_it_runs_and_after() -> Result<()> {
        let me = std::process::id();
        let before = family_ticks(me)?;
        let mut child = Command::new("sh").args(["-c", "while :; do :; done"]).spawn()?;
        let began = Instant::now();
        let mut during = before;
        while during < before + 5 && began.elapsed() < Duration::from_secs(30) {
            during = family_ticks(me)?;
        }
        child.kill()?;
        child.wait()?;
        assert!(during >= before + 5, "{before} then {during}");
        assert!(family_ticks(me)? >= during);
        Ok(())
    }
}
