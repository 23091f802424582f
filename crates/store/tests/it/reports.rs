//! What clients reported.

use polder_policy::{Effect, Privilege, actions};
use polder_store::{GrantTarget, NewReport, ReportRow};
use polder_types::RelationId;

use super::world::{NOW, Who, World, page, stamp};

fn scan(snapshot_id: i64) -> NewReport {
    NewReport { kind: "scan", snapshot_id, metrics: [("result-data-files", 3), ("dvs", 0)].into() }
}

async fn listed(who: &Who, of: Option<RelationId>) -> Vec<ReportRow> {
    let permit = who.admin(actions::ListReports).await;
    who.store.list_reports(&permit, of, &page(1_000, None)).await.unwrap().items
}

/// a report is there after the flush, with who sent it, newest first, page by page, of its tenant alone; it is
/// written once, and the last ones with the close.
#[tokio::test]
async fn reports_are_kept_and_listed() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let (row, other) = (acme.table(&ns, "t").await, acme.table(&ns, "u").await);
    let eve = acme.person("eve").await;
    acme.grant("eve", Effect::Allow, &[Privilege::Read], GrantTarget::Table(row.table.clone())).await;
    let permit = eve.permit(actions::ReportMetrics, &row.table).await;
    acme.store.keep_report(&permit, scan(1), &stamp()).unwrap();
    assert!(listed(&acme, None).await.is_empty(), "a report costs its request no statement");
    acme.store.flush_counted(NOW).await.unwrap();
    acme.store.flush_counted(NOW).await.unwrap();
    let kept = listed(&acme, None).await;
    let [report] = kept.as_slice() else { panic!("{kept:?}") };
    let who = eve.principal().await;
    assert_eq!((report.caller.principal.id, &report.kind, report.snapshot_id), (who.id, &"scan".to_owned(), 1));
    assert_eq!((report.relation, report.relation_name.as_str()), (row.table.id, "lake.ns.t"));
    assert_eq!(report.metrics["result-data-files"], 3);

    let permit = acme.permit(actions::ReportMetrics, &other.table).await;
    acme.store.keep_report(&permit, scan(2), &stamp()).unwrap();
    acme.store.flush_counted(NOW).await.unwrap();
    assert_eq!(listed(&acme, Some(other.table.id)).await.len(), 1);
    assert_eq!(listed(&acme, Some(row.table.id)).await, kept);
    let permit = acme.admin(actions::ListReports).await;
    let first = acme.store.list_reports(&permit, None, &page(1, None)).await.unwrap();
    let next = acme.store.list_reports(&permit, None, &page(1, first.next.clone())).await.unwrap();
    assert_eq!((first.items.len(), next.items.len()), (1, 1));
    assert_ne!(first.items, next.items);
    let foreign = acme.store.list_reports(&permit, Some(row.table.id), &page(1, first.next)).await;
    assert!(foreign.is_err(), "the token is of another list");

    let rival = world.tenant("rival").await;
    assert!(listed(&rival, None).await.is_empty());
    assert!(listed(&rival, Some(row.table.id)).await.is_empty());
    assert!(eve.try_permit(actions::ListReports, &polder_policy::TenantRef { id: eve.tenant.clone() }).await.is_err());
}

/// bounded: too many at once take the place of the oldest of their own tenant, and are counted.
#[tokio::test]
async fn a_flood_of_reports_pushes_out_its_own_only() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let row = acme.table(&ns, "t").await;
    let rival = world.tenant("rival").await;
    let lake = rival.warehouse("lake").await;
    let theirs = rival.table(&rival.namespace(&lake, "ns").await, "t").await;
    let quiet = rival.permit(actions::ReportMetrics, &theirs.table).await;
    rival.store.keep_report(&quiet, scan(7), &stamp()).unwrap();
    let loud = acme.permit(actions::ReportMetrics, &row.table).await;
    for number in 0..600 {
        acme.store.keep_report(&loud, scan(number), &stamp()).unwrap();
    }
    assert_eq!(acme.store.reports_dropped(), 600 - 512);
    acme.store.flush_counted(NOW).await.unwrap();
    let kept = listed(&acme, None).await;
    assert_eq!(kept.len(), 512);
    assert!(kept.iter().all(|report| report.snapshot_id >= 88));
    assert_eq!(listed(&rival, None).await.len(), 1);
}

/// of one tenant the newest ten thousand are kept.
#[tokio::test]
async fn old_reports_are_forgotten() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let row = acme.table(&ns, "t").await;
    let permit = acme.permit(actions::ReportMetrics, &row.table).await;
    let mut stamp = stamp();
    for round in 0..21 {
        for number in 0..500 {
            stamp.now.0 += 1_000; // ids are ordered by the millisecond
            acme.store.keep_report(&permit, scan(round * 500 + number), &stamp).unwrap();
        }
        acme.store.flush_counted(NOW).await.unwrap();
    }
    let admin = acme.admin(actions::ListReports).await;
    let (mut count, mut oldest, mut token) = (0, i64::MAX, None);
    loop {
        let found = acme.store.list_reports(&admin, None, &page(1_000, token)).await.unwrap();
        count += found.items.len();
        oldest = found.items.iter().map(|report| report.snapshot_id).fold(oldest, i64::min);
        token = found.next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!((count, oldest), (10_000, 500));
}
