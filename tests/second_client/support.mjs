// A client of the server under test, a fresh container for each test, and the server's control path.
import { createRequire } from "node:module";
import { after } from "node:test";

const { CosmosClient } = createRequire(process.env.SECOND_CLIENT_MODULES)("@azure/cosmos");
const endpoint = process.env.COSMOS_ENDPOINT;
const key = process.env.COSMOS_KEY;

export const client = new CosmosClient({ endpoint, key });
const { database } = await client.databases.createIfNotExists({ id: "second-client" });
let made = 0;

after(() => client.dispose());

/** Make a container, partitioned by /pk unless told otherwise, over as many physical partitions as the server gives it. */
export async function newContainer(properties = {}) {
  made += 1;
  const id = `c${process.pid}-${made}`;
  const { container } = await database.containers.create({ id, partitionKey: { paths: ["/pk"], version: 2 }, ...properties });
  return container;
}

/** A container of so many items, spread over five partition keys. */
export async function filled(count = 20) {
  const container = await newContainer();
  for (let n = 0; n < count; n += 1) {
    await container.items.create({ id: `i${String(n).padStart(2, "0")}`, pk: `p${n % 5}`, n, g: `g${n % 3}`, tags: [n % 2, "t"] });
  }
  return container;
}

/** All rows of a query. */
export async function rows(container, query, options = {}) {
  return (await container.items.query(query, options).fetchAll()).resources;
}

/** What a promise fails with. */
export async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}

/** Tell the server to do something that no client can ask for. */
export async function control(name, body = {}) {
  const response = await fetch(new URL(`_emulator/${name}`, endpoint), {
    method: "POST",
    headers: { Authorization: `Bearer ${key}` },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(await response.text());
}

export async function split(container, range) {
  await control("split", { database: "second-client", container: container.id, range });
}
