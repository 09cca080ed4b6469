//! An OpenID provider's key set by https, under a certificate authority of the test's own.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The provider. It goes on until the test ends.
pub struct Provider {
    pub address: String,
    /// The certificate of its authority.
    pub authority: PathBuf,
    /// What it answers; nothing while it is down.
    pub says: Arc<Mutex<Option<String>>>,
    /// How often it was asked.
    pub asked: Arc<AtomicU32>,
}

impl Provider {
    /// None, with a line that says so, where openssl is not installed, which makes its certificates. In CI that is a failure.
    pub fn start(folder: &Path) -> Option<Self> {
        let authority = folder.join("authority.pem");
        let made = openssl(
            folder,
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=TLS-authority -keyout authority.key -out authority.pem",
        ) && openssl(
            folder,
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=provider -CA authority.pem -CAkey authority.key -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE -keyout provider.key -out provider.pem",
        );
        if !made {
            assert!(std::env::var_os("CI").is_none(), "openssl 3 must be installed where CI is set");
            println!("skipped: there is no openssl 3 here");
            return None;
        }
        let chain = vec![CertificateDer::from_pem_file(folder.join("provider.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(folder.join("provider.key")).unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = Arc::new(ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("https://{}", listener.local_addr().unwrap());
        let provider = Self { address, authority, says: Arc::default(), asked: Arc::default() };
        let (says, asked) = (Arc::clone(&provider.says), Arc::clone(&provider.asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                asked.fetch_add(1, Ordering::Relaxed);
                let Some(body) = says.lock().unwrap().clone() else { continue };
                // A client that goes away in the middle is none of our business.
                let _ = answer(&config, stream.unwrap(), &body);
            }
        });
        Some(provider)
    }

    pub fn say(&self, body: Option<String>) {
        *self.says.lock().unwrap() = body;
    }
}

/// Runs openssl in a folder; whether it could do it.
pub fn openssl(folder: &Path, words: &str) -> bool {
    let run = Command::new("openssl").args(words.split(' ')).current_dir(folder).output();
    run.is_ok_and(|run| run.status.success())
}

fn answer(config: &Arc<ServerConfig>, stream: TcpStream, body: &str) -> std::io::Result<()> {
    let connection = ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let (mut request, mut part) = (Vec::new(), [0; 1024]);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut part)? {
            0 => return Ok(()),
            length => request.extend_from_slice(&part[..length]),
        }
    }
    let length = body.len();
    // Its clock has stood still for a while.
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    stream.conn.send_close_notify();
    stream.flush()
}
