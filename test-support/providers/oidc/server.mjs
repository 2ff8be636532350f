// oidc-provider on loopback for tests. It rotates refresh tokens, and a token's second use ends
// its sign-in.
//
// Arguments: the folder that has node_modules, and the seconds that an access token and a device
// code live.
//
// The first line of its output names its endpoints as JSON. Then each refresh says "arrived", says
// "rotated" if tokens were issued, and says "answered". It ends with its standard input, so it
// does not outlive who started it.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';

const [folder, lifetime, codeLifetime] = process.argv.slice(2);
const module = createRequire(`${folder}/`).resolve('oidc-provider');
const { default: Provider } = await import(pathToFileURL(module).href);

const CLIENT = 'client';
const SCOPE = 'openid profile offline_access api.read';
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const TENANT = '/tenant';
// Marks a request of the test's own: it is answered at once, and not counted.
const ASIDE = 'tokenkeep-test-aside';

const record = { exchanges: 0, refused: 0, reuse: 0, revoked: 0, took: 0 };
// Each refresh token that was issued, with the one that was spent for it.
const issued = [];
let answers = 'good';
let delay = 0;
let provider;

const say = (line) => process.stdout.write(`${line}\n`);

const server = createServer((request, response) => {
  const url = new URL(request.url, 'http://127.0.0.1');
  if (url.pathname.startsWith('/_test/')) return control(url, response);
  if (!url.pathname.startsWith(`${TENANT}/`)) return response.writeHead(404).end();
  // What the provider is mounted at, as it reads it.
  request.originalUrl = request.url;
  request.url = request.url.slice(TENANT.length);
  if (url.pathname === `${TENANT}/token` && !request.headers[ASIDE]) {
    return refresh(request, response);
  }
  return provider.callback()(request, response);
});

function refresh(request, response) {
  const begun = performance.now();
  say('arrived');
  const end = response.end.bind(response);
  response.on('finish', () => say('answered'));
  if (answers === 'html') {
    response.writeHead(200, { 'content-type': 'text/html' });
    return end('<html><body>Sign in to the network</body></html>');
  }
  if (answers === 'unavailable') {
    response.writeHead(503, { 'content-type': 'text/html', 'retry-after': '7' });
    return end('<html><body>Service Unavailable</body></html>');
  }
  if (answers === 'busy') {
    response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '11' });
    return end('{"error":"temporarily_unavailable"}');
  }
  // The tokens are issued by then, so the delay is that of the way back.
  response.end = (...body) => {
    if (response.statusCode === 200) say('rotated');
    if (answers === 'cut') {
      answers = 'good';
      return request.socket.destroy();
    }
    setTimeout(() => {
      record.took = performance.now() - begun;
      end(...body);
    }, delay);
    return response;
  };
  return provider.callback()(request, response);
}

async function control(url, response) {
  const parameters = url.searchParams;
  let answer = '';
  if (url.pathname === '/_test/sign-in') {
    answer = await signIn(parameters.get('user'));
  } else if (url.pathname === '/_test/record') {
    answer = JSON.stringify({ ...record, issued: issued.slice(Number(parameters.get('from'))) });
  } else if (url.pathname === '/_test/answers') {
    answers = parameters.get('answers');
    delay = Number(parameters.get('milliseconds'));
  } else {
    response.statusCode = 404;
  }
  response.end(answer);
}

// The refresh token of a new grant, as if the user had agreed in a browser.
async function signIn(accountId) {
  const client = await provider.Client.find(CLIENT);
  const grant = new provider.Grant({ accountId, clientId: CLIENT });
  grant.addOIDCScope(SCOPE);
  const grantId = await grant.save();
  const authTime = Math.floor(Date.now() / 1000);
  return new provider.RefreshToken({
    accountId, client, grantId, scope: SCOPE, authTime, gty: 'authorization_code',
  }).save();
}

server.listen(0, '127.0.0.1', () => {
  const origin = `http://127.0.0.1:${server.address().port}`;
  const issuer = `${origin}${TENANT}`;
  provider = new Provider(issuer, {
    clients: [{
      client_id: CLIENT,
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['http://127.0.0.1/callback', 'http://localhost/callback'],
      response_types: ['code'],
      grant_types: ['authorization_code', 'refresh_token', DEVICE],
    }],
    scopes: SCOPE.split(' '),
    rotateRefreshToken: true,
    features: {
      deviceFlow: { enabled: true },
      // Its own pages, on which any name signs in.
      devInteractions: { enabled: true },
      revocation: { enabled: true, allowedPolicy: async () => true },
    },
    ttl: {
      AccessToken: Number(lifetime),
      DeviceCode: Number(codeLifetime),
      Grant: 86400,
      IdToken: 600,
      Interaction: 600,
      RefreshToken: 86400,
      Session: 86400,
    },
    findAccount: (context, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  });
  provider.on('grant.success', (context) => {
    const spent = context.oidc.params.refresh_token;
    if (!spent) return;
    issued.push({ spent, token: context.body.refresh_token });
    if (!context.get(ASIDE)) record.exchanges += 1;
  });
  provider.on('grant.error', (context, error) => {
    // Without a token its client was killed while it sent.
    if (context.get(ASIDE) || !context.oidc.params?.refresh_token) return;
    record.refused += 1;
    if (error.error_detail === 'refresh token already used') record.reuse += 1;
  });
  provider.on('grant.revoked', () => { record.revoked += 1; });
  provider.on('server_error', (context, error) => console.error(error));
  say(JSON.stringify({
    control: `${origin}/_test`,
    issuer,
    token_endpoint: `${issuer}/token`,
    revocation_endpoint: `${issuer}/token/revocation`,
  }));
});

process.stdin.on('end', () => process.exit()).resume();
