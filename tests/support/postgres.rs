//! A PostgreSQL server of the tests' own: found, started on a free port of the loopback, stopped when dropped.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The server. Its data folder goes when it is dropped.
pub struct Server {
    child: Option<Child>,
    folder: tempfile::TempDir,
    binaries: PathBuf,
    port: u16,
    databases: AtomicU32,
}

impl Server {
    /// Starts one; none, with a line that says so, where PostgreSQL is not installed. In CI that is a failure.
    pub fn start() -> Option<Self> {
        let Some(binaries) = binaries() else {
            assert!(std::env::var_os("CI").is_none(), "PostgreSQL must be installed where CI is set");
            println!("skipped: there is no PostgreSQL here (initdb was not found)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        if let Some((user, group)) = unprivileged() {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { child: None, folder, binaries, port, databases: AtomicU32::new(0) };
        let made =
            server.command("initdb").args(["--auth=trust", "--username=certpress", "--encoding=UTF8", "--no-locale"]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server.run();
        Some(server)
    }

    /// The address of a database that does not exist yet.
    pub fn fresh(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        format!("postgres://certpress@127.0.0.1:{}/register_{number}?sslmode=disable", self.port)
    }

    /// Stops as an operator does who is in a hurry, and starts again.
    pub fn restart(&mut self) {
        self.stop();
        self.run();
    }

    fn run(&mut self) {
        let log = File::create(self.folder.path().join("log")).unwrap();
        let mut command = self.command("postgres");
        command.args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", "-k"]);
        self.child = Some(command.arg(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
        for _ in 0..300 {
            let ready = self.command("pg_isready").args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]).status().unwrap();
            if ready.success() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("PostgreSQL does not start: {}", std::fs::read_to_string(self.folder.path().join("log")).unwrap());
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = self.command("pg_ctl").args(["stop", "-m", "immediate", "-s"]).status();
            let _ = child.wait();
        }
    }

    /// As an unprivileged user, which PostgreSQL insists on.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.join(program));
        command.current_dir(self.folder.path()).env("PGDATA", self.folder.path().join("data"));
        if let Some((user, group)) = unprivileged() {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn binaries() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|version| version.path().join("bin"));
    // The folder that the program really lives in: it looks for its other parts beside itself.
    let real = |folder: PathBuf| Some(folder.join("initdb").canonicalize().ok()?.parent()?.to_owned());
    std::env::split_paths(&path).chain(debian).find_map(real)
}

/// User and group of `postgres` or `nobody`, when the tests run as root.
fn unprivileged() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt as _;
    if std::fs::metadata("/proc/self").ok()?.uid() != 0 {
        return None;
    }
    let users = std::fs::read_to_string(Path::new("/etc/passwd")).ok()?;
    ["postgres:", "nobody:"].iter().find_map(|name| {
        let line = users.lines().find(|line| line.starts_with(name))?;
        let mut numbers = line.split(':').skip(2);
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    })
}
