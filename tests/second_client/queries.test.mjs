// Queries in one partition and over several, by this client's own merging of what the partitions say.
import assert from "node:assert/strict";
import { test } from "node:test";
import { failure, filled, newContainer, rows, split } from "./support.mjs";

const sorted = (values) => [...values].sort((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1));
const container = await filled(20);
const all = Array.from({ length: 20 }, (_, n) => ({ id: `i${String(n).padStart(2, "0")}`, pk: `p${n % 5}`, n, g: `g${n % 3}` }));
const groups = ["g0", "g1", "g2"].map((g) => ({ g, items: all.filter((one) => one.g === g) }));
const sum = (items) => items.reduce((total, one) => total + one.n, 0);

const QUERIES = [
  ["SELECT VALUE c.n FROM c ORDER BY c.n DESC", all.map((one) => one.n).reverse()],
  ["SELECT VALUE c.id FROM c WHERE c.n >= 5 AND c.n < 8 ORDER BY c.id", ["i05", "i06", "i07"]],
  ["SELECT TOP 3 VALUE c.n FROM c ORDER BY c.n", [0, 1, 2]],
  ["SELECT VALUE c.n FROM c ORDER BY c.n OFFSET 4 LIMIT 3", [4, 5, 6]],
  ["SELECT DISTINCT VALUE c.g FROM c ORDER BY c.g", ["g0", "g1", "g2"]],
  ["SELECT VALUE COUNT(1) FROM c", [20]],
  ["SELECT VALUE SUM(c.n) FROM c", [190]],
  ["SELECT VALUE AVG(c.n) FROM c", [9.5]],
  ["SELECT VALUE MIN(c.n) FROM c", [0]],
  ["SELECT VALUE MAX(c.n) FROM c", [19]],
  ["SELECT VALUE MIN(c.n) FROM c WHERE c.n > 12", [13]],
  ["SELECT VALUE COUNT(1) FROM c WHERE c.n > 99", [0]],
  ["SELECT COUNT(1) AS n, MIN(c.n) AS low, MAX(c.n) AS high, AVG(c.n) AS mean FROM c", [{ n: 20, low: 0, high: 19, mean: 9.5 }]],
  ["SELECT VALUE COUNT(1) FROM c WHERE c.pk = 'p1'", [4]],
  ["SELECT VALUE c.n FROM c WHERE c.pk IN ('p1', 'p3') ORDER BY c.n", [1, 3, 6, 8, 11, 13, 16, 18]],
  ["SELECT VALUE x FROM x IN (SELECT VALUE [2, 9])", [2, 9]],
];
const IN_ANY_ORDER = [
  ["SELECT DISTINCT VALUE c.g FROM c", ["g0", "g1", "g2"]],
  ["SELECT DISTINCT c.g, c.pk FROM c", Array.from({ length: 15 }, (_, n) => ({ g: `g${n % 3}`, pk: `p${n % 5}` }))],
  ["SELECT c.g, COUNT(1) AS n, SUM(c.n) AS t FROM c GROUP BY c.g", groups.map(({ g, items }) => ({ g, n: items.length, t: sum(items) }))],
  ["SELECT c.g, MIN(c.n) AS low, MAX(c.n) AS high, AVG(c.n) AS mean FROM c GROUP BY c.g",
    groups.map(({ g, items }) => ({ g, low: items[0].n, high: items.at(-1).n, mean: sum(items) / items.length }))],
  ["SELECT VALUE COUNT(1) FROM c GROUP BY c.g", groups.map(({ items }) => items.length)],
  ["SELECT VALUE c.g FROM c GROUP BY c.g", ["g0", "g1", "g2"]],
  ["SELECT UPPER(c.g) AS g FROM c GROUP BY UPPER(c.g)", [{ g: "G0" }, { g: "G1" }, { g: "G2" }]],
  ["SELECT (c.n < 8 ? 0 : FLOOR(c.n / 8) * 8) AS b, COUNT(1) AS n FROM c GROUP BY (c.n < 8 ? 0 : FLOOR(c.n / 8) * 8)",
    [{ b: 0, n: 8 }, { b: 8, n: 8 }, { b: 16, n: 4 }]],
  ["SELECT VALUE t FROM c JOIN t IN c.tags WHERE c.n < 2", [0, 1, "t", "t"]],
];

for (const [query, wanted] of QUERIES) {
  test(`over partitions: ${query}`, async () => assert.deepEqual(await rows(container, query), wanted));
}
for (const [query, wanted] of IN_ANY_ORDER) {
  test(`over partitions, in any order: ${query}`, async () => assert.deepEqual(sorted(await rows(container, query)), sorted(wanted)));
}

test("aggregates and groups in one partition", async () => {
  const within = { partitionKey: "p2" };
  assert.deepEqual(await rows(container, "SELECT VALUE SUM(c.n) FROM c", within), [2 + 7 + 12 + 17]);
  assert.deepEqual(await rows(container, "SELECT COUNT(1) AS n, MAX(c.n) AS m FROM c", within), [{ n: 4, m: 17 }]);
  assert.equal((await rows(container, "SELECT c.g, COUNT(1) AS n FROM c GROUP BY c.g", within)).length, 3);
});

test("pages and continuation", async () => {
  const found = [];
  let continuationToken;
  do {
    const options = { maxItemCount: 7, continuationToken, partitionKey: "p1" };
    const page = await container.items.query("SELECT VALUE c.n FROM c ORDER BY c.n", options).fetchNext();
    found.push(...(page.resources ?? []));
    continuationToken = page.continuationToken;
  } while (continuationToken);
  assert.deepEqual(found, [1, 6, 11, 16]);
});

test("parameters", async () => {
  const parameters = [{ name: "@n", value: 3 }, { name: "@g", value: "g0" }];
  assert.deepEqual(await rows(container, { query: "SELECT VALUE c.n FROM c WHERE c.n = @n AND c.g = @g", parameters }), [3]);
});

test("errors have the service's status", async () => {
  assert.equal((await failure(rows(container, "SELEC * FROM c"))).code, 400);
  assert.equal((await failure(rows(container, "SELECT VALUE COUNT(1) FROM (SELECT DISTINCT VALUE c.g FROM c)"))).code, 400);
  assert.equal((await failure(rows(container, "SELECT VALUE c.n / 0 FROM c"))).code, 400);
  assert.equal((await failure(rows(container, "SELECT ABS(SUM(c.n)) FROM c"))).code, 400);
});

test("queries go on over a split", async () => {
  const own = await filled(20);
  assert.deepEqual(await rows(own, "SELECT VALUE COUNT(1) FROM c"), [20]);
  await split(own, "0");
  await split(own, "1");
  assert.deepEqual(await rows(own, "SELECT VALUE c.n FROM c ORDER BY c.n"), all.map((one) => one.n));
  assert.deepEqual(await rows(own, "SELECT VALUE COUNT(1) FROM c"), [20]);
});

test("numbers are doubles", async () => {
  const own = await newContainer();
  await own.items.create({ id: "a", pk: "k", n: 9007199254740993, z: -0.0, one: 1.0 });
  assert.deepEqual(await rows(own, "SELECT VALUE [c.n, c.z, c.one] FROM c"), [[9007199254740992, 0, 1]]);
});
