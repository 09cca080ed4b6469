//! How fast it is: `cargo test --release --test store figures -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use certpress::store::{IssuedFile, Search, Store};
use jiff::civil::date;
use serde_json::{Value, json};

use super::{Place, clerk, record};

const BATCH: usize = 2000;

async fn load(store: &Store, from: usize, to: usize) -> Duration {
    let surnames: Vec<char> = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗".chars().collect();
    let mut loading = Duration::ZERO;
    for start in (from..to).step_by(BATCH) {
        let records: Vec<_> = (start..(start + BATCH).min(to))
            .map(|n| {
                let name = format!("{}{}{}", surnames[n % 20], surnames[n / 20 % 20], surnames[n / 400 % 20]);
                let end = format!("20{}-{:02}-{:02}", 25 + n % 5, n % 12 + 1, n % 28 + 1);
                let employer: Value = format!("北京测试第{}建筑工程有限公司", n % 5000).into();
                record(n, json!({"/holder/name": name, "/employer/name": employer, "/specialties/0/valid_to": end}))
            })
            .collect();
        let began = Instant::now();
        store.load(&clerk(0), &records).await.unwrap();
        loading += began.elapsed();
    }
    loading
}

/// Recording and signing, by 32 holders at once.
async fn annotate(store: &Arc<Store>, kind: &str) {
    let licences = store.search(&Search { limit: Some(32), ..Search::default() }).await.unwrap().items;
    let (each, began) = (50, Instant::now());
    let holders: Vec<_> = licences
        .into_iter()
        .map(|licence| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let mut worst = Duration::ZERO;
                for n in 0..each {
                    let began = Instant::now();
                    let annotation = super::annotations::annotate(&store, &licence.id, n).await.unwrap();
                    let file = IssuedFile {
                        sha256: annotation.statement.sha256,
                        annotation: annotation.id.clone(),
                        format: "pdf".into(),
                        bytes: 1,
                        at: annotation.at,
                    };
                    store.complete(&clerk(n), &annotation, "1").await.unwrap();
                    store.put_file(&clerk(n), &file).await.unwrap();
                    worst = worst.max(began.elapsed());
                }
                worst
            })
        })
        .collect();
    let count = holders.len() as i64 * each;
    let mut worst = Duration::ZERO;
    for holder in holders {
        worst = worst.max(holder.await.unwrap());
    }
    let rate = count as f64 / began.elapsed().as_secs_f64();
    println!("{kind}: {rate:.0} annotations a second recorded and signed, at most {worst:.1?} each");
}

async fn figures(place: Place, size: usize) {
    let kind = if place.is_sqlite() { "SQLite" } else { "PostgreSQL" };
    let store = place.open().await;
    let first = load(&store, 0, 100_000).await;
    println!("{kind}: 100,000 records loaded in {first:.1?}");
    let rest = load(&store, 100_000, size).await;
    println!("{kind}: {} more in {rest:.1?}", size - 100_000);
    let text = |text: &str| Some(text.to_owned());
    let searches = [
        ("name 王", Search { name: text("王"), ..Search::default() }),
        ("name 王李张", Search { name: text("王李张"), ..Search::default() }),
        ("number 京111000000012", Search { number: text("京111000000012"), ..Search::default() }),
        ("company 北京测试第4", Search { employer: text("北京测试第4"), ..Search::default() }),
        ("identity", Search { identity: Some(("999".into(), "H00012345".into())), ..Search::default() }),
        ("status revoked", Search { status: text("revoked"), ..Search::default() }),
        ("status valid", Search { status: text("valid"), ..Search::default() }),
        ("type", Search { licence_type: text("constructor-1"), ..Search::default() }),
        ("name 王, status revoked", Search { name: text("王"), status: text("revoked"), ..Search::default() }),
        ("name 王, status valid, type", {
            Search { name: text("王"), status: text("valid"), licence_type: text("constructor-1"), ..Search::default() }
        }),
        ("name 王, company 北京测试第4321", Search { name: text("王"), employer: text("北京测试第4321"), ..Search::default() }),
        ("another type", Search { licence_type: text("architect-1"), ..Search::default() }),
        ("name 王, expiring in March 2026", {
            Search { name: text("王"), expires_from: Some(date(2026, 3, 1)), expires_before: Some(date(2026, 4, 1)), ..Search::default() }
        }),
        ("expiring in March 2026", {
            Search { expires_from: Some(date(2026, 3, 1)), expires_before: Some(date(2026, 4, 1)), ..Search::default() }
        }),
        ("all", Search::default()),
    ];
    let mut slow = Vec::new();
    for (what, search) in searches {
        let (mut search, mut worst) = (search, Duration::ZERO);
        // The first pages, and those behind 50,000 others.
        for _ in 0..2 {
            for _ in 0..5 {
                let began = Instant::now();
                let page = store.search(&search).await.unwrap();
                worst = worst.max(began.elapsed());
                search.after = page.next;
            }
            for _ in 0..100 {
                if search.after.is_some() {
                    search.after = store.search(&Search { limit: Some(500), ..search.clone() }).await.unwrap().next;
                }
            }
        }
        println!("{kind}: {what}: at most {worst:.1?} a page");
        if worst > Duration::from_millis(20) {
            slow.push(what);
        }
    }
    let began = Instant::now();
    let days = store.expiring(date(2026, 1, 1), date(2026, 12, 31)).await.unwrap();
    println!("{kind}: {} days on which any expires, in {:.1?}", days.len(), began.elapsed());
    annotate(&store, kind).await;
    assert!(slow.is_empty(), "over 20 ms: {slow:?}");
    assert!(first < Duration::from_mins(1), "100,000 records in {first:.1?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; takes minutes"]
async fn sqlite_at_a_million() {
    figures(Place::sqlite(), 1_000_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; takes minutes"]
async fn postgres_at_a_million() {
    let Some(server) = super::postgres::Server::start() else { return };
    figures(Place::postgres(&server), 1_000_000).await;
}
