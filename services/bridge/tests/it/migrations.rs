use sqlx::PgPool;
use sqlx::migrate::Migrator;

use crate::support::{BridgeFixture, config, contact, database, task};

/// The tables as they were after the migrations up to this one.
async fn migrated_to(database: &str, version: i64) -> PgPool {
    let pool = PgPool::connect(database).await.unwrap();
    let all = sqlx::migrate!("./migrations");
    let older = all.iter().filter(|migration| migration.version <= version).cloned().collect();
    Migrator::with_migrations(older).run(&pool).await.unwrap();
    pool
}

#[tokio::test]
async fn counts_that_were_columns_are_kept_by_kind() {
    let database = database().await;
    let pool = migrated_to(&database, 3).await;
    let insert = "INSERT INTO workspaces (workspace, contacts, tasks, appointments) VALUES ('w', 2, 5, 0), ('empty', 0, 0, 0)";
    sqlx::query(insert).execute(&pool).await.unwrap();
    let bridge = BridgeFixture::start_with(config(&database)).await;
    assert_eq!(bridge.get("/v1/workspaces/w").await.is(200)["objects"], 7);
    assert_eq!(bridge.get("/v1/workspaces/empty").await.is(200)["objects"], 0);
    bridge.write(&[contact("c", 1, "Ann"), task("t", 2, "Call")]).await;
    let counts = sqlx::query_as::<_, (String, i64)>("SELECT kind, objects FROM object_counts WHERE workspace = 'w' ORDER BY kind");
    let counts = counts.fetch_all(&pool).await.unwrap();
    assert_eq!(counts, [("contact".to_owned(), 3), ("task".to_owned(), 6)]);
}
