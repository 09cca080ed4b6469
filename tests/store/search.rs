//! Searching and counting.

use certpress::annotation::UsePeriod;
use certpress::record::Status;
use certpress::statement::Statement;
use certpress::store::{NewAnnotation, Search};
use jiff::civil::date;
use serde_json::json;

use super::{Place, clerk, loaded, record};

pub async fn beginnings_find_and_pages_are_whole(place: Place) {
    let store = place.open().await;
    let names = ["王䶮", "王小明", "阿卜杜·热西提", "ANNA MARIA LEE", "李四"];
    let records: Vec<_> = (0..95).map(|n| record(n, json!({"/holder/name": names[n % 5]}))).collect();
    store.load(&clerk(0), &records).await.unwrap();
    let ended = loaded(&store, record(100, json!({"/specialties/0/valid_to": "2026-04-01", "/employer/name": "Acme 建筑"}))).await;
    store.change_status(&clerk(1), &ended, Status::Cancelled).await.unwrap();

    let all = async |search: Search| {
        let (mut found, mut search) = (Vec::new(), Search { limit: Some(7), ..search });
        loop {
            let page = store.search(&search).await.unwrap();
            found.extend(page.items);
            search.after = page.next;
            if search.after.is_none() {
                break;
            }
        }
        let ids: std::collections::BTreeSet<_> = found.iter().map(|l| l.id.clone()).collect();
        assert_eq!(ids.len(), found.len(), "no licence stands on two pages");
        found.len()
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(all(Search::default()).await, 96);
    assert_eq!(all(Search { name: text("王"), ..Search::default() }).await, 39);
    assert_eq!(all(Search { name: text("阿卜杜・热"), ..Search::default() }).await, 19);
    assert_eq!(all(Search { name: text("anna m"), ..Search::default() }).await, 19);
    assert_eq!(all(Search { name: text("王"), status: text("cancelled"), ..Search::default() }).await, 1);
    assert_eq!(all(Search { number: text("京11100000000000"), ..Search::default() }).await, 95);
    assert_eq!(all(Search { employer: text("acme"), ..Search::default() }).await, 1);
    assert_eq!(all(Search { employer: text("北京测试"), status: text("valid"), ..Search::default() }).await, 95);
    assert_eq!(all(Search { identity: Some(("999".into(), "H00000100".into())), ..Search::default() }).await, 1);
    assert_eq!(all(Search { status: text("cancelled"), ..Search::default() }).await, 1);
    assert_eq!(all(Search { expires_before: Some(date(2026, 5, 1)), ..Search::default() }).await, 1);
    assert_eq!(all(Search { expires_from: Some(date(2026, 5, 1)), licence_type: text("constructor-1"), ..Search::default() }).await, 95);
    assert_eq!(all(Search { licence_type: text("architect-1"), ..Search::default() }).await, 0);
    assert_eq!(all(Search { name: text("%"), ..Search::default() }).await, 0);

    // The page of another search, which ended before this one begins, does not widen it.
    let anna = store.search(&Search { name: text("anna"), limit: Some(1), ..Search::default() }).await.unwrap();
    assert_eq!(all(Search { name: text("王"), after: anna.next.clone(), ..Search::default() }).await, 39);
    assert_eq!(all(Search { name: text("Acme"), after: anna.next, ..Search::default() }).await, 0);
}

pub async fn charts_are_counted(place: Place) {
    let store = place.open().await;
    let id = loaded(&store, record(1, json!({}))).await;
    let statement = Statement { bytes: b"{}".to_vec(), sha256: [1; 32] };
    let period = UsePeriod { from: date(2026, 3, 2), to: date(2026, 8, 29), days: 180, capped_by: None };
    for n in 0..3 {
        let new = NewAnnotation {
            licence: &id,
            version: 1,
            period: Some(period),
            statement: &statement,
            kid: [0, 1],
            layout_digest: [0; 32],
            per_day: None,
        };
        store.annotate(&clerk(n * 86400), &new).await.unwrap();
    }
    store.count_refusal(&clerk(0), "constructor-1", "expired").await.unwrap();
    store.count_refusal(&clerk(1), "constructor-1", "expired").await.unwrap();
    let tallies = store.tallies(date(2026, 3, 2), date(2026, 3, 3)).await.unwrap();
    let said: Vec<_> = tallies.iter().map(|t| (t.day.day(), t.kind.as_str(), t.count)).collect();
    assert_eq!(said, [(2, "issued", 1), (2, "refused/expired", 2), (3, "issued", 1)]);
    let expiring = store.expiring(date(2026, 1, 1), date(2030, 1, 1)).await.unwrap();
    assert_eq!(expiring.iter().map(|e| (e.day.strftime("%Y-%m").to_string(), e.count)).collect::<Vec<_>>(), [("2027-10".to_owned(), 1)]);
}
