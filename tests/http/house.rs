//! A service of its own for each test: SQLite in a temporary folder, a clock that tests move, the demo issuer.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use certpress::clock::{Clock, shanghai_date};
use certpress::config::{ServiceSettings, Settings};
use certpress::http::{App, Demo, Identity, Parts, Telemetry, router};
use certpress::issue::register::Register;
use certpress::issue::{Envelopes, Line};
use certpress::record::{self, Options, Record};
use certpress::sign::{Anchors, Keyring};
use certpress::store::blobs::Blobs;
use certpress::store::{Access, Act, Store};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

/// A day on which each sample is what its name says.
pub fn opening() -> Timestamp {
    "2026-03-02T09:00:00+08:00".parse().unwrap()
}

/// A clock that tests move.
pub struct HandClock(Mutex<Timestamp>);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A service.
pub struct House {
    pub folder: TempDir,
    pub app: App,
    pub clock: Arc<HandClock>,
    routes: Router,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.bytes)))
    }

    /// The answer's `code`, and that it is a whole problem.
    pub fn problem(&self) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let problem = self.json();
        for field in ["type", "title", "detail", "remedy"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {problem}");
        }
        assert_eq!(problem["status"], self.status.as_u16());
        problem["code"].as_str().unwrap().to_owned()
    }

    pub fn lines(&self) -> Vec<Value> {
        std::str::from_utf8(&self.bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn keyring() -> Keyring {
    Keyring::from_seeds(b"certpress golden statement key 1", *b"certpress golden salt key, fixed")
}

/// The signers' folder of keys, made once.
fn keys() -> &'static Path {
    static KEYS: OnceLock<TempDir> = OnceLock::new();
    KEYS.get_or_init(|| tempfile::tempdir().unwrap()).path()
}

/// One line for all tests: fonts, layouts and signers take a while to make.
pub fn line() -> Arc<Line> {
    static LINE: OnceLock<Arc<Line>> = OnceLock::new();
    let line = LINE.get_or_init(|| {
        let settings = Settings { keys: keys().to_owned(), preview_dpi: 50, ..Settings::default() };
        let envelopes = Envelopes::open(&settings, &keyring(), opening()).unwrap();
        Arc::new(Line::open(&settings, keyring()).unwrap().sealed_by(envelopes))
    });
    Arc::clone(line)
}

/// The sample records, read once.
pub fn samples() -> &'static [(String, Record)] {
    static SAMPLES: OnceLock<Vec<(String, Record)>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/records");
        let options = Options { today: shanghai_date(opening()), lenient_identifiers: false };
        let read = record::read(&[folder], &options);
        let named = |loaded: record::Loaded| {
            let stem = Path::new(&loaded.source).file_stem().unwrap().to_str().unwrap().to_owned();
            (stem.split('-').next().unwrap().to_owned(), loaded.record.unwrap())
        };
        read.map(named).collect()
    })
}

/// The record of a sample.
pub fn sample(id: &str) -> &'static Record {
    &samples().iter().find(|(name, _)| name == id).unwrap().1
}

/// The JSON of a sample, pictures included.
pub fn sample_json(id: &str) -> Value {
    serde_json::to_value(sample(id)).unwrap()
}

impl House {
    /// With all samples in the register.
    pub async fn open() -> Self {
        let house = Self::empty().await;
        let records: Vec<_> = samples().iter().map(|(_, record)| record.clone()).collect();
        house.app.register.store.load(&Act::new("test", house.clock.now()), &records).await.unwrap();
        house
    }

    /// With nothing in the register.
    pub async fn empty() -> Self {
        Self::over(tempfile::tempdir().unwrap(), opening(), &ServiceSettings::default()).await
    }

    /// The same house after a restart.
    pub async fn again(self) -> Self {
        let Self { folder, app, clock, routes } = self;
        app.register.store.close().await;
        let now = clock.now();
        drop((app, routes));
        Self::over(folder, now, &ServiceSettings::default()).await
    }

    pub async fn over(folder: TempDir, now: Timestamp, settings: &ServiceSettings) -> Self {
        let ring = keyring();
        let clock = Arc::new(HandClock(Mutex::new(now)));
        let access = Access::Write { create: true, index_key: *ring.salt };
        let store = Arc::new(Store::open(folder.path().to_str().unwrap(), access).await.unwrap());
        let blobs = Blobs::open(folder.path().join("blobs").to_str().unwrap()).unwrap();
        let demo = Demo::new(&ring, samples().iter().map(|(id, record)| (id.clone(), record)));
        let identity: Arc<Identity> = Arc::new(demo.identity());
        let register = Register::new(line(), store, blobs, Arc::clone(&clock) as Arc<dyn Clock>, 256);
        let anchors = Anchors::read(&keys().join("trust")).unwrap();
        let app = App::new(settings, Parts { register, anchors, identity, telemetry: Telemetry::new(now), demo: Some(demo) });
        Self { folder, routes: router(&app), app, clock }
    }

    pub fn pass(&self, time: SignedDuration) {
        *self.clock.0.lock().unwrap() += time;
    }

    /// A token of somebody, with a face verification of now.
    pub fn token(&self, who: &str) -> String {
        self.app.demo.as_ref().unwrap().token(who, self.clock.now(), true).unwrap()
    }

    pub fn request(&self, who: Option<&str>, method: &str, path: &str) -> axum::http::request::Builder {
        let request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
        match who {
            Some(who) => request.header("authorization", format!("Bearer {}", self.token(who))),
            None => request,
        }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, bytes }
    }

    pub async fn get(&self, who: &str, path: &str) -> Answer {
        self.send(self.request(Some(who), "GET", path).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, who: &str, path: &str, body: Value) -> Answer {
        let request = self.request(Some(who), "POST", path).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// The register's id of a sample's licence.
    pub async fn licence(&self, id: &str) -> String {
        let record = sample(id);
        self.app.register.store.licence_numbered(&record.licence_type, &record.number).await.unwrap().unwrap().licence.id
    }

    /// 加注 of a sample by its holder.
    pub async fn annotate(&self, id: &str) -> Answer {
        let path = format!("/api/v1/licences/{}/annotations", self.licence(id).await);
        self.send(self.request(Some(id), "POST", &path).body(Body::empty()).unwrap()).await
    }
}
