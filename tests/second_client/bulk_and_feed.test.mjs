// Bulk, with errors and throttling in place, and the change feed's iterators, over splits as well.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { control, filled, newContainer, split } from "./support.mjs";

const { ChangeFeedStartFrom } = createRequire(process.env.SECOND_CLIENT_MODULES)("@azure/cosmos");
const creates = (count) =>
  Array.from({ length: count }, (_, n) => ({ operationType: "Create", partitionKey: `p${n}`, resourceBody: { id: `b${n}`, pk: `p${n}` } }));

test("bulk over partitions, each operation with its own result", async () => {
  const container = await newContainer();
  const first = await container.items.executeBulkOperations(creates(60));
  assert.ok(first.every((one) => one.response.statusCode === 201));
  const mixed = await container.items.executeBulkOperations([
    { operationType: "Create", partitionKey: "p1", resourceBody: { id: "b1", pk: "p1" } },
    { operationType: "Upsert", partitionKey: "p1", resourceBody: { id: "b1", pk: "p1", n: 1 } },
    { operationType: "Replace", partitionKey: "p2", id: "b2", resourceBody: { id: "b2", pk: "p2", n: 2 } },
    { operationType: "Read", partitionKey: "p3", id: "b3" },
    { operationType: "Patch", partitionKey: "p4", id: "b4", resourceBody: { operations: [{ op: "add", path: "/n", value: 4 }] } },
    { operationType: "Delete", partitionKey: "p5", id: "b5" },
    { operationType: "Read", partitionKey: "p5", id: "none" },
  ]);
  assert.deepEqual(mixed.map((one) => one.response?.statusCode ?? one.error.code), [409, 200, 200, 200, 200, 204, 404]);
  assert.equal((await container.item("b4", "p4").read()).resource.n, 4);
});

test("the older form of bulk", async () => {
  const container = await newContainer();
  const found = await container.items.bulk([
    { operationType: "Create", resourceBody: { id: "a", pk: "x" } },
    { operationType: "Create", resourceBody: { id: "a", pk: "y" } },
    { operationType: "Create", resourceBody: { id: "a", pk: "x" } },
  ]);
  assert.deepEqual(found.map((one) => one.statusCode), [201, 201, 409]);
});

test("bulk goes on over a split, and when it is throttled", async () => {
  const container = await filled(5);
  await split(container, "0");
  const found = await container.items.executeBulkOperations(creates(30));
  assert.ok(found.every((one) => one.response?.statusCode === 201));
  await control("throughput", { ruLimit: 150 });
  try {
    const again = await container.items.executeBulkOperations(creates(30).map((one) => ({ ...one, operationType: "Upsert" })));
    assert.ok(again.every((one) => one.response?.statusCode === 200));
  } finally {
    await control("throughput", { ruLimit: null });
  }
});

async function changes(container, options) {
  const found = [];
  const iterator = container.items.getChangeFeedIterator(options);
  let continuation;
  for (let idle = 0; idle < 8; ) {
    const page = await iterator.readNext();
    continuation = page.continuationToken;
    if (page.statusCode === 304) idle += 1;
    else found.push(...page.result);
  }
  return { ids: found.map((one) => one.id).sort(), continuation };
}

test("the change feed of a container, of a key, and on from where it stopped", async () => {
  const container = await filled(20);
  const whole = await changes(container, { changeFeedStartFrom: ChangeFeedStartFrom.Beginning(), maxItemCount: 3 });
  assert.equal(whole.ids.length, 20);
  const ofKey = await changes(container, { changeFeedStartFrom: ChangeFeedStartFrom.Beginning("p1") });
  assert.deepEqual(ofKey.ids, ["i01", "i06", "i11", "i16"]);
  await container.items.upsert({ id: "new", pk: "p1" });
  const more = await changes(container, { changeFeedStartFrom: ChangeFeedStartFrom.Continuation(whole.continuation) });
  assert.deepEqual(more.ids, ["new"]);
  const now = await changes(container, { changeFeedStartFrom: ChangeFeedStartFrom.Now() });
  assert.deepEqual(now.ids, []);
});

test("the change feed goes on over a split", async () => {
  const container = await filled(20);
  const before = await changes(container, { changeFeedStartFrom: ChangeFeedStartFrom.Beginning() });
  await split(container, "0");
  await container.items.upsert({ id: "after", pk: "p0" });
  await container.items.upsert({ id: "after", pk: "p3" });
  const more = await changes(container, { changeFeedStartFrom: ChangeFeedStartFrom.Continuation(before.continuation) });
  assert.deepEqual(more.ids, ["after", "after"]);
});

test("feed ranges cover the container", async () => {
  const container = await filled(20);
  const ids = [];
  for (const range of await container.getFeedRanges()) {
    ids.push(...(await changes(container, { changeFeedStartFrom: ChangeFeedStartFrom.Beginning(range) })).ids);
  }
  assert.equal(ids.length, 20);
  assert.equal(new Set(ids).size, 20);
});
