//! Checks a Redis server's settings by its answer to `INFO`.

/// The oldest version whose `SET` takes `NX` and `GET` together.
const OLDEST: (u32, u32) = (7, 0);

/// A setting by which windows would be lost.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WrongSetting(String);

/// Checks a server by its answer to `INFO` and returns warnings. A setting by which windows would
/// be lost is an error.
pub(super) fn check_info(info: &str, of_cluster: bool) -> Result<Vec<String>, WrongSetting> {
    let value = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().trim()
    };
    let mut parts = value("redis_version").split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if version < OLDEST {
        return Err(WrongSetting(format!(
            "redis_version is {}: 7.0 is the oldest version that works with afterclick",
            value("redis_version")
        )));
    }
    if value("role") != "master" && !of_cluster {
        return Err(WrongSetting(
            "it is a replica and takes no writes: name the master".to_owned(),
        ));
    }
    if (value("cluster_enabled") == "1") != of_cluster {
        let scheme = if of_cluster { "redis://" } else { "redis+cluster://" };
        return Err(WrongSetting(format!(
            "cluster_enabled is {}: write the address as {scheme}…",
            value("cluster_enabled")
        )));
    }
    let (policy, most) = (value("maxmemory_policy"), value("maxmemory"));
    if policy != "noeviction" && most != "0" {
        return Err(WrongSetting(format!(
            "maxmemory_policy is {policy}: windows would be deleted when memory is short; set it to noeviction"
        )));
    }
    let mut warnings = Vec::new();
    if policy != "noeviction" {
        warnings.push(format!(
            "maxmemory_policy is {policy}, which deletes windows once maxmemory is set; set it to noeviction"
        ));
    }
    if value("aof_enabled") == "0" {
        warnings.push(
            "appendonly is off: after a restart the hot state is rebuilt from the journal"
                .to_owned(),
        );
    }
    Ok(warnings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_would_lose_windows_is_refused_by_name() {
        let sound = "redis_version:7.0.15\r\nrole:master\r\ncluster_enabled:0\r\nmaxmemory:100\r\n\
                     maxmemory_policy:noeviction\r\naof_enabled:1\r\n";
        assert_eq!(check_info(sound, false).unwrap(), Vec::<String>::new());
        for (from, to, named) in [
            ("7.0.15", "6.2.6", "redis_version is 6.2.6"),
            ("role:master", "role:slave", "a replica"),
            ("cluster_enabled:0", "cluster_enabled:1", "redis+cluster://"),
            ("noeviction", "allkeys-lru", "maxmemory_policy is allkeys-lru"),
        ] {
            let error = check_info(&sound.replace(from, to), false).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
        let unbounded =
            sound.replace("maxmemory:100", "maxmemory:0").replace("noeviction", "allkeys-lru");
        assert_eq!(check_info(&unbounded, false).unwrap().len(), 1);
        assert!(
            check_info(&sound.replace("aof_enabled:1", "aof_enabled:0"), false).unwrap()[0]
                .contains("appendonly")
        );
    }
}
