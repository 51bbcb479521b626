// Runs the stock client by order: one JSON object a line on stdin, answers and events on stdout.
// The folder that holds the installed packages is the first argument.
const { createRequire } = require("node:module");
const readline = require("node:readline");
const signalr = createRequire(process.argv[2] + "/")("@microsoft/signalr");

const connections = new Map();
const tell = (event) => process.stdout.write(JSON.stringify(event) + "\n");

const orders = {
  async start({ name, url, transport, token, targets, reconnect, results, skipNegotiation }) {
    const options = { accessTokenFactory: token === undefined ? undefined : () => token, skipNegotiation };
    if (transport) options.transport = signalr.HttpTransportType[transport];
    let builder = new signalr.HubConnectionBuilder().withUrl(url, options).configureLogging(signalr.LogLevel.None);
    if (reconnect) builder = builder.withAutomaticReconnect(reconnect);
    const connection = builder.build();
    for (const target of targets || []) connection.on(target, (...args) => { tell({ event: "message", name, target, args }); });
    for (const [target, result] of Object.entries(results || {})) connection.on(target, () => result);
    connection.onclose((error) => tell({ event: "close", name, error: error ? String(error.message) : null }));
    connection.onreconnecting((error) => tell({ event: "reconnecting", name, error: error ? String(error.message) : null }));
    connection.onreconnected((id) => tell({ event: "reconnected", name, id }));
    connections.set(name, connection);
    await connection.start();
    return connection.connectionId;
  },
  invoke: ({ name, target, args }) => connections.get(name).invoke(target, ...args),
  send: ({ name, target, args }) => connections.get(name).send(target, ...args),
  stream: ({ name, target, args }) =>
    new Promise((resolve, reject) => {
      const items = [];
      connections.get(name).stream(target, ...args).subscribe({ next: (item) => items.push(item), complete: () => resolve(items), error: reject });
    }),
  id: async ({ name }) => connections.get(name).connectionId,
  transport: async ({ name }) => connections.get(name).connection.transport.constructor.name,
  async stop({ name }) {
    await connections.get(name).stop();
    connections.delete(name);
  },
};

readline.createInterface({ input: process.stdin }).on("line", async (line) => {
  const { id, order, ...rest } = JSON.parse(line);
  try {
    tell({ id, result: (await orders[order](rest)) ?? null });
  } catch (error) {
    tell({ id, error: String(error.message) });
  }
}).on("close", () => process.exit(0));
