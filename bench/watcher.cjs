// Watches runs with the stock client and says when each message came.
// Arguments: the folder of the installed packages, the address, the name of the user, and ids of runs.
const { createRequire } = require("node:module");
const [packages, url, user, ...runs] = process.argv.slice(2);
const signalr = createRequire(packages + "/")("@microsoft/signalr");
const tell = (event) => process.stdout.write(JSON.stringify(event) + "\n");
const now = () => (performance.timeOrigin + performance.now()) / 1000;

async function main() {
  const connection = new signalr.HubConnectionBuilder()
    .withUrl(url + "/api/signalr", { accessTokenFactory: () => user })
    .configureLogging(signalr.LogLevel.None)
    .build();
  connection.on("executionLog", ({ executionId, covers, lines, size }) => {
    const at = now();
    const numbers = (lines || []).map((line) => line.number);
    tell({ at, run: executionId, covers, numbers, size });
  });
  connection.onclose(() => tell({ closed: true }));
  await connection.start();
  for (const run of runs) {
    const body = JSON.stringify({ connectionId: connection.connectionId, scope: "org-acme", executionId: run });
    const headers = { Authorization: "Bearer " + user, "Content-Type": "application/json" };
    const answer = await fetch(url + "/api/signalr/join", { method: "POST", headers, body });
    if (!answer.ok) throw new Error("join: " + answer.status);
  }
  tell({ joined: true });
}

process.stdin.on("end", () => process.exit(0)).resume();
main().catch((error) => { tell({ failed: String(error) }); process.exit(1); });
