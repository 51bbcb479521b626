// Single items: life, etags, patch, transactional batches, hierarchical keys, throughput.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, control, failure, filled, newContainer } from "./support.mjs";

test("the life of an item", async () => {
  const container = await newContainer();
  const item = { id: "a", pk: "k", n: 1.0, deep: { list: [1, null, "x"] } };
  const created = await container.items.create(item);
  assert.equal(created.statusCode, 201);
  assert.ok(created.requestCharge > 0);
  assert.deepEqual((await container.item("a", "k").read()).resource.deep, item.deep);
  assert.equal((await failure(container.items.create(item))).code, 409);
  assert.equal((await container.items.upsert({ ...item, n: 2 })).resource.n, 2);
  assert.equal((await container.item("a", "k").replace({ ...item, n: 3 })).resource.n, 3);
  assert.equal((await container.item("a", "other").read()).statusCode, 404);
  assert.equal((await container.item("a", "k").delete()).statusCode, 204);
  assert.equal((await container.item("a", "k").read()).statusCode, 404);
});

test("keys of every type are kept apart", async () => {
  const container = await newContainer();
  for (const pk of ["1", 1, true, null]) await container.items.create({ id: "a", pk });
  await container.items.create({ id: "a" });
  assert.equal((await container.item("a", 1).read()).resource.pk, 1);
  assert.equal((await container.item("a", null).read()).resource.pk, null);
  assert.ok(!("pk" in (await container.item("a", undefined).read()).resource));
  assert.equal((await container.items.readAll().fetchAll()).resources.length, 5);
});

test("etags decide", async () => {
  const container = await newContainer();
  const { resource, etag } = await container.items.create({ id: "a", pk: "k" });
  assert.equal(resource._etag, etag);
  const stale = { accessCondition: { type: "IfMatch", condition: '"stale"' } };
  assert.equal((await failure(container.item("a", "k").replace({ id: "a", pk: "k" }, stale))).code, 412);
  const current = { accessCondition: { type: "IfMatch", condition: etag } };
  assert.equal((await container.item("a", "k").replace({ id: "a", pk: "k", n: 1 }, current)).statusCode, 200);
  assert.equal((await failure(container.item("a", "k").delete(current))).code, 412);
});

test("patch, with and without a condition", async () => {
  const container = await newContainer();
  await container.items.create({ id: "a", pk: "k", n: 1, list: [1, 2] });
  const item = container.item("a", "k");
  const { resource } = await item.patch([
    { op: "incr", path: "/n", value: 4 },
    { op: "add", path: "/list/0", value: 0 },
    { op: "set", path: "/new", value: { a: 1 } },
    { op: "move", from: "/new", path: "/moved" },
    { op: "remove", path: "/list/2" },
  ]);
  assert.deepEqual([resource.n, resource.list, resource.moved, resource.new], [5, [0, 1], { a: 1 }, undefined]);
  const operations = [{ op: "replace", path: "/n", value: 9 }];
  assert.equal((await failure(item.patch({ operations, condition: "FROM c WHERE c.n = 1" }))).code, 412);
  assert.equal((await item.patch({ operations, condition: "FROM c WHERE c.n = 5" })).resource.n, 9);
});

test("a transactional batch is done as a whole or not at all", async () => {
  const container = await newContainer();
  await container.items.create({ id: "old", pk: "k", n: 1 });
  const done = await container.items.batch(
    [
      { operationType: "Create", resourceBody: { id: "a", pk: "k" } },
      { operationType: "Upsert", resourceBody: { id: "b", pk: "k" } },
      { operationType: "Read", id: "old" },
      { operationType: "Patch", id: "old", resourceBody: [{ op: "incr", path: "/n", value: 1 }] },
      { operationType: "Delete", id: "b" },
    ],
    "k",
  );
  assert.deepEqual(done.result.map((one) => one.statusCode), [201, 201, 200, 200, 204]);
  const undone = await container.items.batch(
    [
      { operationType: "Create", resourceBody: { id: "c", pk: "k" } },
      { operationType: "Create", resourceBody: { id: "a", pk: "k" } },
      { operationType: "Create", resourceBody: { id: "d", pk: "k" } },
    ],
    "k",
  );
  assert.equal(undone.code, 207);
  assert.deepEqual(undone.result.map((one) => one.statusCode), [424, 409, 424]);
  assert.equal((await container.item("c", "k").read()).statusCode, 404);
});

test("hierarchical keys", async () => {
  const container = await newContainer({ partitionKey: { paths: ["/a", "/b"], kind: "MultiHash", version: 2 } });
  for (const [id, a, b] of [["1", "x", 1], ["2", "x", 2], ["3", "y", 1]]) await container.items.create({ id, a, b });
  assert.equal((await container.item("2", ["x", 2]).read()).resource.id, "2");
  assert.equal((await container.item("2", ["x", 1]).read()).statusCode, 404);
  const within = async (partitionKey) =>
    (await container.items.query("SELECT VALUE c.id FROM c", { partitionKey }).fetchAll()).resources.sort();
  assert.deepEqual(await within(["x", 2]), ["2"]);
  const found = await container.items.query("SELECT VALUE c.id FROM c WHERE c.a = 'x' ORDER BY c.id").fetchAll();
  assert.deepEqual(found.resources, ["1", "2"]);
});

test("a throttled client waits and succeeds", async () => {
  const container = await filled(5);
  await control("throughput", { ruLimit: 150 });
  try {
    await Promise.all(Array.from({ length: 30 }, (_, n) => container.items.upsert({ id: `t${n}`, pk: `p${n % 5}` })));
  } finally {
    await control("throughput", { ruLimit: null });
  }
  assert.equal((await container.items.readAll().fetchAll()).resources.length, 35);
});

test("throughput, conflicts and resources of the account", async () => {
  const container = await newContainer();
  assert.ok((await container.readOffer()).resource.content.offerThroughput >= 400);
  assert.ok((await client.getDatabaseAccount()).resource.consistencyPolicy);
  assert.equal((await container.conflicts.readAll().fetchAll()).resources.length, 0);
  assert.equal((await container.delete()).statusCode, 204);
  assert.equal((await failure(container.read())).code, 404);
});
