//! One measurement: wrk runs on the second core, and the processor time of the server is read
//! before and after.

use anyhow::Result;
use benches::wrk::Load;

use crate::servers::{Connections, LINKS, Server};

/// Connections that stay open.
pub(crate) const CONNECTIONS: usize = 64;

/// The result of one measurement.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) requests_per_second: f64,
    /// Processor time for answering and recording.
    pub(crate) cpu_us_per_request: f64,
    /// Processor time for answering, recording and everything that follows, until nothing is left
    /// to do.
    pub(crate) all_cpu_us_per_request: f64,
    pub(crate) p99_ms: f64,
}

/// Measures a server for some seconds.
pub(crate) fn measure(
    server: &Server,
    connections: Connections,
    headers: &[&str],
    seconds: u64,
) -> Result<Sample> {
    let mut headers = headers.to_vec();
    let origin = match connections {
        Connections::StayOpen => format!("http://127.0.0.1:{}", server.port),
        Connections::TlsAnew => {
            headers.push("Connection: close");
            format!("https://127.0.0.1:{}", server.tls_port)
        }
    };
    let load = Load {
        origin: &origin,
        headers: &headers,
        connections: CONNECTIONS,
        seconds,
        links: LINKS,
    };
    server.wait_until_idle()?;
    let before = server.cpu()?;
    let answered = load.run()?;
    let answering = server.cpu()?.answering - before.answering;
    server.wait_until_idle()?;
    let all = server.cpu()?.all - before.all;
    Ok(Sample {
        requests_per_second: answered.requests_per_second,
        cpu_us_per_request: answering * 1e6 / answered.requests,
        all_cpu_us_per_request: all * 1e6 / answered.requests,
        p99_ms: answered.p99_ms,
    })
}
