//! How often a disk can make a small write last.

use crate::statistics::per_second;
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Overwrites one block in a file of this folder and syncs it, as often as it can: syncs per second.
pub(crate) fn syncs_per_second(folder: &Path, duration: Duration) -> Result<f64> {
    let path = folder.join("sync-rate");
    let mut file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    let block = [0x5a_u8; 4096];
    let began = Instant::now();
    let mut syncs = 0;
    while began.elapsed() < duration {
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&block)?;
        file.sync_data()?;
        syncs += 1;
    }
    let rate = per_second(syncs, began.elapsed())?;
    fs::remove_file(&path)?;
    Ok(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_measured_and_nothing_is_left_behind() -> Result<()> {
        let folder = std::env::temp_dir().join(format!("load-sync-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let rate = syncs_per_second(&folder, Duration::from_millis(50));
        let left = fs::read_dir(&folder)?.count();
        fs::remove_dir_all(&folder)?;
        assert!(rate? > 0.0);
        assert_eq!(left, 0);
        Ok(())
    }
}
