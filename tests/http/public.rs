//! The answers to the public: every state, nothing personal, one answer to whatever is not genuine, and hostile bodies.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use certpress::annotation::Wish;
use certpress::render::Format;
use certpress::sign::read_trust;
use certpress::store::{Act, History, Standing};
use certpress::verify::{Database, Grade, Judge, Register, Service, State, StatusList};
use jiff::SignedDuration;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::house::{Answer, House, line, sample};

/// The digits that were signed last for a sample.
async fn digits(house: &House, id: &str) -> String {
    let history = house.app.register.store.annotations(&house.licence(id).await, &History::default()).await.unwrap();
    history[0].digits.clone().unwrap()
}

async fn issued(house: &House, id: &str) -> String {
    let made = house.annotate(id).await;
    assert_eq!(made.status, StatusCode::CREATED, "{id}: {}", String::from_utf8_lossy(&made.bytes));
    digits(house, id).await
}

/// As somebody asks who has said nothing about themselves.
async fn ask(house: &House, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let request = headers.iter().fold(Request::builder().method(method).uri(path), |request, (name, value)| request.header(*name, *value));
    house.send(request.body(body.into()).unwrap()).await
}

async fn look_up(house: &House, digits: &str) -> Value {
    let answer = ask(house, "GET", &format!("/v/{digits}"), &[], Body::empty()).await;
    assert_eq!(answer.status, StatusCode::OK, "{digits}");
    answer.json()
}

async fn hand_in(house: &House, file: &[u8]) -> Value {
    let answer = ask(house, "POST", "/verify", &[], file.to_vec()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", String::from_utf8_lossy(&answer.bytes));
    answer.json()
}

async fn step(house: &House, id: &str, step: &str) {
    let path = format!("/api/v1/licences/{}/{step}", house.licence(id).await);
    assert_eq!(house.post("staff", &path, json!({"reason": "测试"})).await.status, StatusCode::OK, "{step}");
}

async fn pdf(house: &House, id: &str) -> Vec<u8> {
    let entry = house.annotate(id).await.json()["id"].as_str().unwrap().to_owned();
    house.get(id, &format!("/api/v1/annotations/{entry}/document.pdf")).await.bytes
}

#[tokio::test]
async fn a_code_tells_the_state_of_its_licence() {
    let house = House::open().await;
    let code = issued(&house, "r01").await;
    let state = async |code: &str| look_up(&house, code).await["state"].as_str().unwrap().to_owned();
    let valid = look_up(&house, &code).await;
    assert_eq!((&valid["grade"], &valid["state"], &valid["version"]), (&json!("A"), &json!("valid"), &json!(1)), "{valid}");
    assert_eq!(valid["as_of"], "2026-03-02T01:00:00Z");
    step(&house, "r01", "suspend").await;
    assert_eq!(state(&code).await, "suspended");
    step(&house, "r01", "restore").await;
    assert_eq!(state(&code).await, "valid");
    step(&house, "r01", "reissue").await;
    let old = look_up(&house, &code).await;
    assert_eq!((&old["state"], &old["version"], &old["superseded_by"]), (&json!("superseded"), &json!(1), &json!(2)));
    assert_eq!(state(&issued(&house, "r01").await).await, "valid");
    for (id, way, ended) in [("r02", "cancel", "cancelled"), ("r03", "revoke", "revoked"), ("r04", "withdraw", "withdrawn")] {
        let code = issued(&house, id).await;
        step(&house, id, way).await;
        assert_eq!(state(&code).await, ended);
    }
    let undated = issued(&house, "r26").await;
    assert_eq!(state(&undated).await, "undated");
    let path = format!("/api/v1/licences/{}/annotations", house.licence("r23").await);
    assert_eq!(house.post("r23", &path, json!({"use_from": "2026-03-10"})).await.status, StatusCode::CREATED);
    assert_eq!(state(&digits(&house, "r23").await).await, "not-begun");
    let code = issued(&house, "r05").await;
    house.pass(SignedDuration::from_hours(24 * 181));
    assert_eq!(state(&code).await, "over");
}

#[tokio::test]
async fn of_the_holder_only_the_first_character_is_told() {
    let house = House::open().await;
    let code = issued(&house, "r01").await;
    assert_eq!(look_up(&house, &code).await["name"], "王*");
    let file = pdf(&house, "r01").await;
    let holder = &sample("r01").holder;
    for accept in ["application/json", "text/html"] {
        let scanned = ask(&house, "GET", &format!("/v/{code}"), &[("accept", accept)], Body::empty()).await;
        let handed_in = ask(&house, "POST", "/verify", &[("accept", accept)], file.clone()).await;
        for answer in [scanned, handed_in] {
            let text = String::from_utf8(answer.bytes).unwrap();
            assert!(text.contains("王*") && text.contains("京1112012201990001"), "{text}");
            for secret in [holder.name.as_str(), &holder.id_number, &holder.birth_date.unwrap().to_string(), "北京测试"] {
                assert!(!text.contains(secret), "{secret}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn whatever_is_no_code_of_this_register_gets_one_answer() {
    let house = House::open().await;
    let genuine = issued(&house, "r01").await;
    let unregistered = {
        let line = line();
        let other = line.state(sample("r02"), crate::house::opening(), Wish::default()).unwrap();
        [line.sign(&other, u32::MAX).unwrap(), line.sign(&other, 0).unwrap(), line.sign(&other, 77).unwrap()]
    };
    let first = ask(&house, "GET", "/v/1", &[], Body::empty()).await;
    assert_eq!(first.json()["state"], "not-issued");
    let mut forged: Vec<String> = unregistered.into();
    forged.extend((0..genuine.len()).step_by(29).map(|at| {
        let other = if genuine.as_bytes()[at] == b'7' { '3' } else { '7' };
        format!("{}{other}{}", &genuine[..at], &genuine[at + 1..])
    }));
    forged.extend(["0", "%20", "%00", "%ff", "%2e%2e%2f", "..%5c", "x", "-1", "1e9", "0x10"].map(str::to_owned));
    forged.extend([format!("{genuine}%20"), format!("%2B{genuine}"), format!("0{genuine}"), format!("{genuine}x"), "9".repeat(30_000)]);
    // Digits of other scripts are none, and a whole address is no code here.
    forged.push(genuine.chars().map(|c| format!("%EF%BC%9{}", c.to_digit(10).unwrap() % 7)).collect());
    forged.push(format!("https:%2F%2Fzz.example.cn%2Fv%2F{genuine}"));
    for code in forged {
        let answer = ask(&house, "GET", &format!("/v/{code}"), &[], Body::empty()).await;
        assert_eq!((answer.status, &answer.bytes), (first.status, &first.bytes), "{code}");
        let headers = |answer: &Answer| {
            answer.headers.iter().filter(|(name, _)| *name != "x-request-id").map(|(n, v)| (n.clone(), v.clone())).collect::<Vec<_>>()
        };
        assert_eq!(headers(&answer), headers(&first), "{code}");
    }
    for nowhere in ["/v/", "/v", "/v/1/2", "/v//1"] {
        assert_eq!(ask(&house, "GET", nowhere, &[], Body::empty()).await.problem(), "not-found", "{nowhere}");
    }
    assert_eq!(look_up(&house, &genuine).await["state"], "valid");
}

#[tokio::test]
async fn a_browser_gets_a_page_and_a_program_json() {
    let house = House::open().await;
    let path = format!("/v/{}", issued(&house, "r01").await);
    for (accept, media_type) in [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html; charset=utf-8"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("image/png", "application/json"),
    ] {
        let answer = ask(&house, "GET", &path, &[("accept", accept)], Body::empty()).await;
        assert_eq!(answer.headers["content-type"], media_type, "{accept}");
        assert!(answer.headers["vary"].to_str().unwrap().to_ascii_lowercase().contains("accept"), "{accept}");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
    let head = ask(&house, "HEAD", &path, &[], Body::empty()).await;
    assert_eq!((head.status, head.bytes.len()), (StatusCode::OK, 0));
    for (method, path, allowed) in
        [("POST", path.as_str(), "GET"), ("DELETE", "/verify", "POST"), ("PUT", "/.well-known/certpress/keys.json", "GET")]
    {
        let refused = ask(&house, method, path, &[], Body::empty()).await;
        assert_eq!(refused.problem(), "method-not-allowed", "{method} {path}");
        assert!(refused.headers["allow"].to_str().unwrap().contains(allowed), "{method} {path}");
    }
}

#[tokio::test]
async fn a_file_is_graded_by_the_register() {
    let house = House::open().await;
    let file = pdf(&house, "r01").await;
    let whole = hand_in(&house, &file).await;
    assert_eq!((&whole["grade"], &whole["kind"], &whole["state"]), (&json!("A"), &json!("pdf"), &json!("valid")), "{whole}");
    assert!(whole["identifier"].as_str().unwrap().starts_with("1.2.156.3005.2."));
    let mut longer = file.clone();
    longer.push(b'\n');
    assert!(hand_in(&house, &longer).await["grade"] != "A");
    let mut changed = file.clone();
    changed[file.len() / 2] ^= 1;
    assert!(hand_in(&house, &changed).await["grade"] != "A");
    step(&house, "r01", "suspend").await;
    let suspended = hand_in(&house, &file).await;
    assert_eq!((&suspended["grade"], &suspended["state"]), (&json!("A"), &json!("suspended")));
    // Signed by our keys, outside this register.
    let batch = line().issue(sample("r02"), crate::house::opening(), Wish::default(), &[Format::Pdf]).unwrap();
    let stranger = hand_in(&house, &batch.files[0].1).await;
    assert_eq!((&stranger["grade"], &stranger["state"]), (&json!("B"), &json!("valid")), "{stranger}");
    assert!(stranger["reason_en"].as_str().unwrap().contains("this register knows no such licence"));

    let code = digits(&house, "r01").await;
    assert_eq!(hand_in(&house, format!("https://zz.example.cn/v/{code}").as_bytes()).await["kind"], "qr-text");
    let picture = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/samples/records/photos/p01.jpg")).unwrap();
    assert_eq!(hand_in(&house, &picture).await["state"], "no-code");
    for other in [&b"hello"[..], b"%PDF-1.7\n", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n", &[0xff; 4096]] {
        assert_eq!(hand_in(&house, other).await["grade"], "C", "{other:?}");
    }
}

#[tokio::test]
async fn a_file_may_stay_where_it_is() {
    let house = House::open().await;
    let file = pdf(&house, "r01").await;
    let code = digits(&house, "r01").await;
    let ask_json = async |body: Value| ask(&house, "POST", "/verify", &[("content-type", "application/json")], body.to_string()).await;
    let whole = ask_json(json!({"qr": code, "sha256": hex::encode(Sha256::digest(&file))})).await.json();
    assert_eq!((&whole["grade"], &whole["state"]), (&json!("A"), &json!("valid")), "{whole}");
    assert_eq!(ask_json(json!({"qr": code, "sha256": "00".repeat(32)})).await.json()["grade"], "B");
    assert_eq!(ask_json(json!({"qr": code, "sha256": null})).await.json()["grade"], "A");
    assert_eq!(ask_json(json!({"qr": "hello"})).await.json()["state"], "not-issued");
    for wrong in
        [json!({"qr": code, "sha256": "00"}), json!({"qr": code, "sha256": "zz".repeat(32)}), json!({}), json!([]), json!({"q": 1})]
    {
        assert_eq!(ask_json(wrong.clone()).await.problem(), "invalid", "{wrong}");
    }
}

fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, content) in parts {
        body.extend_from_slice(format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"../a\"\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--x--\r\n");
    body
}

#[tokio::test]
async fn a_browser_hands_in_one_file_at_a_time() {
    let house = House::open().await;
    let file = pdf(&house, "r01").await;
    let send = async |media_type: &str, body: Vec<u8>| ask(&house, "POST", "/verify", &[("content-type", media_type)], body).await;
    let multipart = "multipart/form-data; boundary=x";
    assert_eq!(send(multipart, form(&[("file", &file)])).await.json()["grade"], "A");
    for (parts, field) in [
        (&[("file", &file[..]), ("file", &file[..])][..], "file"),
        (&[("file", &file[..]), ("other", b"")], "form"),
        (&[("other", &file[..])], "form"),
        (&[("file", b"")], "file"),
        (&[], "file"),
    ] {
        let refused = send(multipart, form(parts)).await;
        assert_eq!((refused.problem().as_str(), &refused.json()["errors"][0]["field"]), ("invalid", &json!(field)));
    }
    let whole = form(&[("file", &file)]);
    for (media_type, body) in [
        ("multipart/form-data", whole.clone()),
        (multipart, whole[..whole.len() / 2].to_vec()),
        (multipart, b"garbage".to_vec()),
        ("multipart/form-data; boundary=", whole.clone()),
        (multipart, [&b"--x\r\n"[..], &[b'a'; 100_000]].concat()),
    ] {
        let refused = send(media_type, body).await;
        assert!(["malformed", "invalid"].contains(&refused.problem().as_str()), "{media_type}: {refused:?}");
    }
    assert_eq!(send("application/pdf", Vec::new()).await.problem(), "invalid");
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_not_read() {
    let house = House::empty().await;
    for media_type in ["application/pdf", "multipart/form-data; boundary=x", "application/json"] {
        let unread = futures_util::stream::poll_fn(|_| -> std::task::Poll<Option<Result<bytes::Bytes, std::io::Error>>> {
            panic!("the body was read")
        });
        let headers = [("content-type", media_type), ("content-length", "20971521")];
        let refused = ask(&house, "POST", "/verify", &headers, Body::from_stream(unread)).await;
        assert_eq!((refused.status, refused.problem().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "too-large"), "{media_type}");
        let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(bytes::Bytes::from_static(&[b' '; 1 << 20])));
        let refused = ask(&house, "POST", "/verify", &[("content-type", media_type)], Body::from_stream(endless)).await;
        assert!(["too-large", "malformed"].contains(&refused.problem().as_str()), "{media_type}: {refused:?}");
    }
}

#[tokio::test]
async fn the_status_list_says_who_is_not_in_force() {
    let house = House::open().await;
    for id in ["r01", "r02", "r03", "r04"] {
        issued(&house, id).await;
    }
    let list = async |headers: &[(&str, &str)]| ask(&house, "GET", "/.well-known/certpress/status/0", headers, Body::empty()).await;
    let read = |answer: &Answer| StatusList::read(std::str::from_utf8(&answer.bytes).unwrap(), line().trusted()).unwrap();
    let all_good = list(&[]).await;
    assert_eq!(all_good.headers["cache-control"], "public, max-age=60");
    assert!((0..4).all(|index| read(&all_good).standing(index) == Some(None)));
    let payload: Value = serde_json::from_str(all_good.json()["payload"].as_str().unwrap()).unwrap();
    assert_eq!(payload["sub"], "https://zz.example.cn/.well-known/certpress/status/0");
    assert_eq!((&payload["status_list"]["bits"], &payload["first"]), (&json!(2), &json!(0)));

    house.pass(SignedDuration::from_mins(5));
    let etag = all_good.headers["etag"].to_str().unwrap().to_owned();
    let same = list(&[("if-none-match", &etag)]).await;
    assert_eq!((same.status, same.bytes.len()), (StatusCode::NOT_MODIFIED, 0));
    issued(&house, "r05").await;
    assert_eq!(list(&[]).await.headers["etag"], etag, "a new licence in the same block makes no new list");

    step(&house, "r02", "suspend").await;
    step(&house, "r03", "reissue").await;
    step(&house, "r04", "revoke").await;
    let changed = list(&[("if-none-match", &etag)]).await;
    let listed = read(&changed);
    let standing = [None, Some(Standing::Suspended), Some(Standing::Superseded), Some(Standing::Ended)];
    assert!((0..4).zip(standing).all(|(index, standing)| listed.standing(index) == Some(standing)));
    assert_eq!((listed.issued, listed.expires), (house_now(&house), house_now(&house) + SignedDuration::from_hours(48)));
    house.pass(SignedDuration::from_hours(1));
    assert_eq!(read(&list(&[]).await).issued, house_now(&house), "an old list is made anew");

    for nowhere in ["1", "255", "256", "4294967296", "-1", "x", "00x"] {
        let answer = ask(&house, "GET", &format!("/.well-known/certpress/status/{nowhere}"), &[], Body::empty()).await;
        assert_eq!(answer.problem(), "not-found", "{nowhere}");
    }
}

fn house_now(house: &House) -> jiff::Timestamp {
    use certpress::clock::Clock as _;
    house.clock.now()
}

#[tokio::test]
async fn the_key_list_is_what_verifiers_read() {
    let house = House::empty().await;
    let answer = ask(&house, "GET", "/.well-known/certpress/keys.json", &[], Body::empty()).await;
    let file = house.folder.path().join("keys.json");
    std::fs::write(&file, &answer.bytes).unwrap();
    assert_eq!(read_trust(&file).unwrap(), line().trusted());
    let etag = answer.headers["etag"].to_str().unwrap();
    let same = ask(&house, "GET", "/.well-known/certpress/keys.json", &[("if-none-match", etag)], Body::empty()).await;
    assert_eq!(same.status, StatusCode::NOT_MODIFIED);
}

/// What `certpress verify --register` answers about a file.
fn judged(house: &House, register: &dyn Register, file: &[u8]) -> (Grade, State) {
    let line = line();
    let judge = Judge {
        trusted: line.trusted(),
        anchors: &house.app.anchors,
        register: Some(register),
        verify_base: line.verify_base(),
        at: house_now(house),
    };
    let verdict = judge.file("file", file);
    (verdict.grade, verdict.state)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_and_a_service_are_registers() {
    let house = House::open().await;
    let file = pdf(&house, "r01").await;
    let batch = line().issue(sample("r02"), crate::house::opening(), Wish::default(), &[Format::Pdf]).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(axum::serve(listener, certpress::http::router(&house.app)).into_future());
    let ask_both = || {
        let folder = house.folder.path().to_str().unwrap().to_owned();
        let registers: [Box<dyn Register>; 2] = [Box::new(Database::open(&folder).unwrap()), Box::new(Service::new(&address).unwrap())];
        let asked = registers.map(|register| (judged(&house, &*register, &file), judged(&house, &*register, &batch.files[0].1)));
        assert_eq!(asked[0], asked[1]);
        asked[0]
    };
    let ask_both = || std::thread::scope(|scope| scope.spawn(ask_both).join().unwrap());
    assert_eq!(ask_both(), ((Grade::A, State::Valid), (Grade::B, State::Valid)));
    step(&house, "r01", "suspend").await;
    assert_eq!(ask_both().0, (Grade::A, State::Suspended));
    step(&house, "r01", "restore").await;
    step(&house, "r01", "reissue").await;
    assert_eq!(ask_both().0, (Grade::A, State::Superseded));
    house.app.register.store.audit_look(&Act::new("test", house_now(&house)), "look.test", "x").await.unwrap();
    serving.abort();
    let gone = std::thread::scope(|scope| {
        let ask = || judged(&house, &Service::new("http://127.0.0.1:9").unwrap(), &file);
        scope.spawn(ask).join().unwrap()
    });
    assert_eq!(gone.0, Grade::B, "a service that is not there answers nothing");
}
