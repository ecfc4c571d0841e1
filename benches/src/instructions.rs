//! Counts the instructions of a redirect: runs the real binary under callgrind, with one connection
//! and a browser's headers.
//!
//! The count is nearly the same on every run, whatever else the machine does, so growth of a few
//! percent is seen at once. It is the difference between two runs, so the start of the server does
//! not count. Time in the kernel is not included.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use benches::api::{campaign, create};
use serde_json::{Value, json};

/// The number of requests in each of the two runs.
const RUNS: [u64; 2] = [500, 2500];
/// A difference of up to so many parts of a thousand is not a change: timers fire at any moment.
const TOLERANCE_PER_MILLE: u64 = 20;
/// How often a count is taken at most before it is believed that it has grown.
const TRIES: u32 = 5;
const TOKEN: &str = "instructions";
const REQUEST: &str = "GET /l1234 HTTP/1.1\r\nHost: go.shop.test\r\n\
    User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
    Version/18.1 Mobile/15E148 Safari/604.1\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: de-DE,de;q=0.9\r\n\
    Accept-Encoding: gzip, deflate, br\r\nReferer: https://l.instagram.com/\r\nSec-Fetch-Dest: document\r\n\
    Sec-Fetch-Mode: navigate\r\nSec-Fetch-Site: cross-site\r\n\r\n";

/// The instructions of one run, by thread: the worker of the edge, and the projector.
#[derive(Clone, Copy)]
struct Counted {
    edge: u64,
    projector: u64,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(program), counts) = (arguments.next(), arguments.next()) else {
        bail!("usage: instructions PATH-OF-AFTERCLICK [FILE-OF-COUNTS]");
    };
    let program = Path::new(&program);
    let mut each = of_a_redirect(program, "l1234")?;
    let mut with_rules = of_a_redirect(program, "l1235")?.edge;
    println!(
        "user-space instructions a redirect: {} at the edge, {} in the projector; {with_rules} at \
         the edge for a link with rules",
        each.edge, each.projector
    );
    let Some(counts) = counts else { return Ok(()) };
    let file: Value = serde_json::from_slice(&fs::read(&counts).with_context(|| counts.clone())?)?;
    let recorded =
        |name: &str| file[name].as_u64().with_context(|| format!("{counts}: no number for {name}"));
    let limit = |recorded: u64| recorded + recorded * TOLERANCE_PER_MILLE / 1000;
    // The projector wakes by the clock: on a busy machine it finds its work in more or fewer pieces.
    // Growth is there every time; a busy minute is not.
    for _ in 1..TRIES {
        if each.edge <= limit(recorded("edge")?)
            && each.projector <= limit(recorded("projector")?)
            && with_rules <= limit(recorded("edge_with_rules")?)
        {
            break;
        }
        let again = of_a_redirect(program, "l1234")?;
        let again_with_rules = of_a_redirect(program, "l1235")?.edge;
        println!(
            "again: {} at the edge, {} in the projector; {again_with_rules} with rules",
            again.edge, again.projector
        );
        with_rules = with_rules.min(again_with_rules);
        each.edge = each.edge.min(again.edge);
        each.projector = each.projector.min(again.projector);
    }
    let counted =
        [("edge", each.edge), ("projector", each.projector), ("edge_with_rules", with_rules)];
    for (name, found) in counted {
        let recorded = recorded(name)?;
        let limit = limit(recorded);
        ensure!(
            found <= limit,
            "{name}: {found} instructions a redirect, but {counts} has {recorded}; if the growth is worth it, record the new number there"
        );
        if found + recorded * TOLERANCE_PER_MILLE / 1000 < recorded {
            println!("{name}: {found} is fewer than the {recorded} in {counts}; record it there");
        }
    }
    Ok(())
}

/// Returns the instructions of one redirect of the link with a slug.
fn of_a_redirect(program: &Path, slug: &str) -> Result<Counted> {
    let [few, many] = [count(program, slug, RUNS[0])?, count(program, slug, RUNS[1])?];
    let of_one = |many: u64, few: u64| many.saturating_sub(few) / (RUNS[1] - RUNS[0]);
    Ok(Counted {
        edge: of_one(many.edge, few.edge),
        projector: of_one(many.projector, few.projector),
    })
}

/// Ends the server, also when a count fails half-way.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn count(program: &Path, slug: &str, requests: u64) -> Result<Counted> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("counts");
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--separate-threads=yes"])
        .arg(format!("--callgrind-out-file={}", out.display()));
    command.arg(program).args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--workers",
        "1",
        "--data",
    ]);
    command
        .arg(folder.path().join("data"))
        .env("AFTERCLICK_ADMIN_TOKEN", TOKEN)
        .env("AFTERCLICK_LOG", "error");
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start valgrind; scripts/test installs it")?;
    let mut server = Guard(child);
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().context("no standard output")?).read_line(&mut line)?;
    let ready: Value = serde_json::from_str(&line).context("the ready line")?;
    let address =
        |listener: &str| ready[listener].as_str().map(str::to_owned).context("the ready line");
    let admin = address("admin")?;
    fill_catalog(
        admin.rsplit(':').next().unwrap_or_default().parse().context("the admin's port")?,
    )?;
    follow(&address("public")?, slug, requests)?;
    wait_for_projector(&admin)?;
    let id = i32::try_from(server.0.id())?;
    let process = rustix::process::Pid::from_raw(id).context("a process id")?;
    rustix::process::kill_process(process, rustix::process::Signal::TERM)?;
    server.0.wait()?;
    Ok(Counted {
        edge: of_thread(folder.path(), "edge::quick::")?,
        projector: of_thread(folder.path(), "hot_state::projector::")?,
    })
}

/// Waits until the projector has taken in every click, however busy the machine is.
fn wait_for_projector(admin: &str) -> Result<()> {
    for _ in 0..600 {
        std::thread::sleep(std::time::Duration::from_millis(200));
        let mut stream = TcpStream::connect(admin)?;
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.lines().any(|line| line == "afterclick_hot_state_up_to_date 1") {
            return Ok(());
        }
    }
    bail!("the projector did not take in the clicks within two minutes")
}

fn fill_catalog(admin: u16) -> Result<()> {
    let (campaign, influencer) = campaign(admin, TOKEN)?;
    let destination = "https://shop.test/product/1234?utm_campaign=autumn";
    let mut link = json!({ "campaign": campaign, "influencer": influencer, "destination": destination, "slug": "l1234" });
    create(admin, TOKEN, "links", &link)?;
    let rule = |conditions: Value| json!({ "if": conditions, "destination": destination });
    // The last one holds for the request, so every condition is asked.
    link["rules"] = json!([
        rule(json!({ "device": ["android", "windows"] })),
        rule(json!({ "language": ["es", "pt-BR"] })),
        rule(json!({ "country": ["SE", "LV"] })),
        rule(json!({ "from": "2020-01-01T00:00:00Z", "query": { "ref": "bio" } })),
        rule(json!({ "device": "ios", "language": ["sv", "de"] })),
    ]);
    link["slug"] = "l1235".into();
    create(admin, TOKEN, "links", &link).map(drop)
}

fn follow(public: &str, slug: &str, requests: u64) -> Result<()> {
    let request = REQUEST.replace("l1234", slug);
    let mut stream = TcpStream::connect(public)?;
    stream.set_nodelay(true)?;
    let mut bytes = [0; 4096];
    for _ in 0..requests {
        stream.write_all(request.as_bytes())?;
        let read = stream.read(&mut bytes)?;
        let answer = String::from_utf8_lossy(&bytes[..read]);
        ensure!(
            answer.starts_with("HTTP/1.1 302") && answer.ends_with("\r\n\r\n"),
            "the answer: {answer}"
        );
    }
    Ok(())
}

/// Returns the total of the thread whose profile lists the most functions with this name.
fn of_thread(folder: &Path, name: &str) -> Result<u64> {
    let mut best = (0, 0);
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.is_file() {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        let total = text.lines().find_map(|line| {
            line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: "))
        });
        let total = total.and_then(|total| total.trim().parse().ok()).unwrap_or(0);
        best = best.max((
            text.lines().filter(|line| line.contains("fn=(") && line.contains(name)).count(),
            total,
        ));
    }
    ensure!(best.0 > 0, "no thread ran {name}");
    Ok(best.1)
}
