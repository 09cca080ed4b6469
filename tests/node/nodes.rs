//! Several nodes on one PostgreSQL, and PostgreSQL restarted under them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use reqwest::StatusCode;

use crate::postgres;
use crate::server::{Caller, Ledger, Over, Server, json, until};

fn nodes<const N: usize>(folder: &Path, address: &str) -> [Server; N] {
    std::array::from_fn(|_| Server::start(folder, &["--demo", "--database", address], &[]))
}

#[test]
fn two_nodes_make_one_chain_also_when_postgres_is_restarted() {
    let Some(mut postgres) = postgres::Server::start() else { return };
    let (folder, address) = (tempfile::tempdir().unwrap(), postgres.fresh());
    let nodes: [Server; 2] = nodes(folder.path(), &address);
    let ledger = Ledger::default();
    let (over, refused, asked) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for (place, node) in nodes.iter().enumerate() {
            // Two at each node, all for the same licence.
            for thread in 0..2 {
                let (ledger, over, refused, asked) = (&ledger, &over, &refused, &asked);
                scope.spawn(move || {
                    let caller = Caller::new(node, "r01");
                    while !over.load(Ordering::Relaxed) {
                        let key = format!("{place}-{thread}-{}", asked.fetch_add(1, Ordering::Relaxed));
                        // Whoever was refused asks again with the same key, as clients should.
                        while ledger.annotate(node, &caller, &key).unwrap().0 == StatusCode::SERVICE_UNAVAILABLE {
                            refused.fetch_add(1, Ordering::Relaxed);
                            std::thread::sleep(Duration::from_millis(50));
                        }
                    }
                });
            }
        }
        let _over = Over(&over);
        for round in 0..4 {
            let before = ledger.counts().0;
            until("it goes on", || ledger.counts().0 > before + 20);
            if round < 3 {
                postgres.restart();
            }
        }
    });
    for node in &nodes {
        node.ready();
        let counts = ledger.check(node);
        assert_eq!(counts["r01"], u64::from(asked.load(Ordering::Relaxed)), "each was done once, whatever happened between");
    }
    println!("{} annotations, {} refused meanwhile", asked.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
}

#[test]
fn the_staff_of_two_nodes_reissue_one_licence_one_after_the_other() {
    let Some(postgres) = postgres::Server::start() else { return };
    let (folder, address) = (tempfile::tempdir().unwrap(), postgres.fresh());
    let nodes: [Server; 2] = nodes(folder.path(), &address);
    let licence = nodes[0].licence(&nodes[0].token("r01"));
    let path = format!("/api/v1/licences/{licence}/reissue");
    let mut versions: Vec<u64> = std::thread::scope(|scope| {
        let reissue = |node: &Server, key: usize| {
            let request = node.client.post(format!("{}{path}", node.address)).bearer_auth(node.token("staff"));
            let request = request.header("content-type", "application/json").header("idempotency-key", format!("{}", key / 2));
            json(request.body("{\"reason\":\"两个节点\"}").send().unwrap())["version"].as_u64().unwrap()
        };
        // Every key is used at both nodes: one version for each.
        let threads: Vec<_> = (0..20)
            .map(|n| {
                scope.spawn({
                    let nodes = &nodes;
                    move || reissue(&nodes[n % 2], n)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    versions.sort_unstable();
    assert_eq!(versions, (0..20).map(|n| n / 2 + 2).collect::<Vec<u64>>());
}
