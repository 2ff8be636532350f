// What a web app on msal-node's DistributedCachePlugin does for each request.
//
// Arguments: the port of Redis, and the folder of the packages. The lines of the input are those of
// peer.py; the one piece of work is `request`.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [port, folder] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const { ConfidentialClientApplication, DistributedCachePlugin, version } = require("@azure/msal-node");
const { createClient } = require("redis");

const USERS = 1000;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const line = async () => (await lines.next()).value;

const document = JSON.parse(await line());
const names = JSON.parse(await line());
const client = createClient({ url: `redis://127.0.0.1:${port}` });
await client.connect();
for (let user = 0; user < USERS; user++) {
  await client.set(`node:${user}`, document);
}

const host = new URL(names.authority).host;
const auth = {
  clientId: names.client_id,
  clientSecret: "secret",
  authority: names.authority,
  // With both, msal-node asks no network.
  cloudDiscoveryMetadata: JSON.stringify({
    tenant_discovery_endpoint: `${names.authority}/v2.0/.well-known/openid-configuration`,
    "api-version": "1.1",
    metadata: [{ preferred_network: host, preferred_cache: host, aliases: [host] }],
  }),
  authorityMetadata: JSON.stringify({
    authorization_endpoint: `${names.authority}/oauth2/v2.0/authorize`,
    token_endpoint: `${names.authority}/oauth2/v2.0/token`,
    issuer: `${names.authority}/v2.0`,
    jwks_uri: `${names.authority}/discovery/v2.0/keys`,
  }),
};
const store = {
  get: async (key) => (await client.get(key)) ?? "",
  set: async (key, value) => {
    await client.set(key, value);
    return value;
  },
};

async function request() {
  const key = `node:${Math.floor(Math.random() * USERS)}`;
  const partition = { getKey: async () => key, extractKey: async () => key };
  const cachePlugin = new DistributedCachePlugin(store, partition);
  const application = new ConfidentialClientApplication({ auth, cache: { cachePlugin } });
  const account = await application.getTokenCache().getAccountByHomeId(names.home_account_id);
  const token = await application.acquireTokenSilent({ account, scopes: [names.scope] });
  if (!token?.accessToken || !token.fromCache) {
    throw new Error("msal-node finds no token");
  }
}

await request();
console.log(version);
for (let asked = await line(); asked; asked = await line()) {
  const count = Number(asked.split(" ")[1]);
  const [wall, cpu] = [performance.now(), process.cpuUsage()];
  for (let n = 0; n < count; n++) {
    await request();
  }
  const { user, system } = process.cpuUsage(cpu);
  console.log((user + system) / 1e6, (performance.now() - wall) / 1e3);
}
await client.close();
