import { isLoopbackName } from "../../base/ip_address.ts";
import { fill, variablesIn } from "../../base/template.ts";
import type { AccountRule, OAuthConfig, UrlServerConfig } from "../server_config.ts";
import { keepNamedSecret } from "../secret_values.ts";
import { type OwnVariables } from "../variables.ts";
import { isAbsolutePath } from "../workspace_variables.ts";
import { readCommand } from "./command_words.ts";
import type { EntryContext } from "./expand_entry.ts";
import { checkNoSecret, expandAt, isPathWithoutSecret } from "./expand_entry.ts";
import type { UrlEntry } from "./keys.ts";
import { SCOPE } from "./sign_in_keys.ts";

type SignIn = Pick<UrlServerConfig, "oauth" | "account" | "accounts" | "headersHelper">;

interface SignInContext {
  context: EntryContext;
  /** The variables of the entry's own. */
  own: OwnVariables;
}

/** How the server of an entry is signed in to, and as whom; keys that the entry does not have are left out. */
export async function signInOf(entry: UrlEntry, around: SignInContext): Promise<SignIn> {
  const signIn: SignIn = {};
  if (entry.oauth === false) signIn.oauth = false;
  else if (entry.oauth !== undefined) signIn.oauth = await oauthOf(entry.oauth, around);
  if (entry.account !== undefined) signIn.account = entry.account;
  if (entry.accounts !== undefined) signIn.accounts = await accountsOf(entry.accounts, around);
  if (signIn.oauth) checkSecretOf(signIn.oauth, entry, around.context);
  if (entry.headersHelper !== undefined) signIn.headersHelper = await helperOf(entry.headersHelper, around);
  return signIn;
}

type OAuthEntry = Exclude<UrlEntry["oauth"], false | undefined>;

async function oauthOf(entry: OAuthEntry, around: SignInContext): Promise<OAuthConfig> {
  const { clientId, clientSecret, clientMetadataUrl, issuer, privateKey } = entry;
  const put = async (key: string, text: string | undefined, ...more: string[]) =>
    text === undefined ? undefined : await fixedText(["oauth", key, ...more], text, around);
  const filled = {
    clientId: await put("clientId", clientId),
    clientSecret: await put("clientSecret", clientSecret),
    clientMetadataUrl: await put("clientMetadataUrl", clientMetadataUrl),
    issuer: await put("issuer", issuer),
  };
  if (filled.clientSecret) keepNamedSecret("clientSecret", filled.clientSecret);
  const oauth: OAuthConfig = {
    ...Object.fromEntries(Object.entries(filled).filter(([, value]) => value !== undefined)),
    ...entry.scopes === undefined ? {} : { scopes: await scopesOf(entry.scopes, around) },
    grant: entry.grant === "client_credentials" ? "client_credentials" : "authorization_code",
    ...entry.callbackPort === undefined ? {} : { callbackPort: entry.callbackPort },
    ...redirectOf(await put("redirectUrl", entry.redirectUrl), entry.callbackPort, around),
  };
  if (privateKey !== undefined) {
    const pem = await fixedText(["oauth", "privateKey", "pem"], privateKey.pem, around);
    oauth.privateKey = { pem, algorithm: privateKey.algorithm };
  }
  checkOAuth(oauth, around.context);
  return oauth;
}

async function scopesOf(scopes: readonly string[], around: SignInContext): Promise<string[]> {
  const filled: string[] = [];
  for (const [i, scope] of scopes.entries()) {
    const path = ["oauth", "scopes", i];
    const text = await fixedText(path, scope, around);
    if (text !== "" && !SCOPE.test(text) && !around.context.expander.isUnknown(text)) {
      around.context.fault(path, "is no scope; allowed: a text without spaces");
    }
    filled.push(text);
  }
  return filled;
}

/** `text` filled in, which is the same for all windows. */
async function fixedText(
  path: PropertyKey[],
  text: string,
  { context, own }: SignInContext,
): Promise<string> {
  const expanded = await expandAt(path, text, { context, own });
  const [late] = variablesIn(expanded);
  if (late !== undefined) {
    context.fault(path, `holds \${${late}}, which differs by window; how to sign in is the same for all`);
  }
  return fill(expanded, () => "");
}

/** Where the answer of a login can be listened for. */
const LISTENED = /^(?:localhost|127\.0\.0\.1|\[::1\])$/;

/** The redirect address without its port, and that as the port where it names one. */
function redirectOf(
  text: string | undefined,
  port: number | undefined,
  { context }: SignInContext,
): Pick<OAuthConfig, "redirectUrl" | "callbackPort"> {
  // One that cannot be filled in is a fault already.
  if (text === undefined || text === "" || context.expander.isUnknown(text)) return {};
  const url = URL.parse(text);
  const fault = (message: string) => context.fault(["oauth", "redirectUrl"], message);
  if (url?.protocol !== "http:" || !LISTENED.test(url.hostname) || url.search !== "" || url.hash !== "") {
    fault(
      "is no address that the daemon can be reached at by your browser; allowed: an http URL on localhost, 127.0.0.1 or [::1]",
    );
    return {};
  }
  if (url.port !== "" && port !== undefined && Number(url.port) !== port) {
    fault(`has the port ${url.port}, and callbackPort is ${port}; write it once`);
  }
  const callbackPort = url.port === "" ? port : Number(url.port);
  url.port = "";
  return { redirectUrl: url.href, ...callbackPort === undefined ? {} : { callbackPort } };
}

/** A private key in PEM (RFC 7468, section 10), with something in it. */
const PKCS8 = /-----BEGIN PRIVATE KEY-----\s*[A-Za-z0-9+/=]/;

/** What does not go together, and URLs that no authorization server may have. */
function checkOAuth(oauth: OAuthConfig, { fault, expander }: EntryContext): void {
  const { clientId, clientSecret, privateKey } = oauth;
  const known = (text: string | undefined) =>
    text === undefined || expander.isUnknown(text) ? undefined : text;
  const clientMetadataUrl = known(oauth.clientMetadataUrl);
  const issuer = known(oauth.issuer);
  const metadata = clientMetadataUrl === undefined ? undefined : URL.parse(clientMetadataUrl);
  if (clientMetadataUrl !== undefined && (metadata?.protocol !== "https:" || metadata.pathname === "/")) {
    fault(["oauth", "clientMetadataUrl"], "is no id of a client; allowed: an https URL with a path");
  }
  const server = issuer === undefined ? undefined : URL.parse(issuer);
  const isIssuer = server?.protocol === "https:" ||
    server?.protocol === "http:" && isLoopbackName(server.hostname);
  if (
    issuer !== undefined &&
    (!isIssuer || server?.search !== "" || server.hash !== "" || server.username + server.password !== "")
  ) {
    fault(["oauth", "issuer"], "is no issuer; allowed: an https URL without ?, # and a user before the host");
  }
  const hasSecret = clientSecret !== undefined;
  if (hasSecret && clientId === undefined) {
    fault(["oauth", "clientSecret"], "stands without clientId, whose secret it is; write that beside it");
  }
  if (hasSecret && privateKey !== undefined) {
    fault(["oauth", "privateKey"], "stands beside clientSecret; a client has one of them");
  }
  const pem = known(privateKey?.pem);
  if (pem !== undefined && !PKCS8.test(pem)) {
    const how = "openssl pkcs8 -topk8 -nocrypt -in key.pem -out key.pkcs8.pem";
    fault(["oauth", "privateKey", "pem"], `is no private key as PKCS #8 in PEM; \`${how}\` makes one`);
  }
  checkGrant(oauth, fault);
}

/** Where each of several accounts may be signed in to elsewhere, the first login does not tell whose the secret is. */
function checkSecretOf(
  { clientSecret, issuer }: OAuthConfig,
  { accounts = [] }: UrlEntry,
  { fault }: EntryContext,
): void {
  if (clientSecret === undefined || issuer !== undefined || accounts.length < 2) return;
  const why =
    'stands beside several accounts without "issuer": write there the authorization server it is for';
  fault(["oauth", "clientSecret"], why);
}

/** Keys that a login of the entry's grant does not look at. */
function checkGrant(oauth: OAuthConfig, fault: EntryContext["fault"]): void {
  const { grant, clientId, clientSecret, privateKey } = oauth;
  const isMachine = grant === "client_credentials";
  if (privateKey && !isMachine) {
    const only = 'only a login of "grant": "client_credentials" is signed with it';
    fault(
      ["oauth", "privateKey"],
      `has no effect: ${only}; write that beside it, or clientSecret in its place`,
    );
  }
  if (!isMachine) return;
  if (clientSecret === undefined && privateKey === undefined) {
    fault(["oauth", "grant"], "is client_credentials, which needs clientId with clientSecret or privateKey");
  }
  if (privateKey && clientId === undefined) {
    fault(["oauth", "privateKey"], "stands without clientId, whose key it is; write that beside it");
  }
  for (const key of ["clientMetadataUrl", "redirectUrl", "callbackPort"] as const) {
    if (oauth[key] === undefined) continue;
    fault(
      ["oauth", key],
      "has no effect beside grant client_credentials, a login without a browser; remove one",
    );
  }
}

type AccountEntry = NonNullable<UrlEntry["accounts"]>[number];

async function accountsOf(entries: readonly AccountEntry[], around: SignInContext): Promise<AccountRule[]> {
  const { fault, warn, expander } = around.context;
  const rules: AccountRule[] = [];
  for (const [i, { name, directories, clients }] of entries.entries()) {
    const all = rules.findIndex((rule) => rule.directories === undefined && rule.clients === undefined);
    if (all >= 0) warn(["accounts", i], `is never chosen: accounts[${all}] before it is for every window`);
    const dirs: string[] = [];
    for (const [j, text] of (directories ?? []).entries()) {
      const path = ["accounts", i, "directories", j];
      const dir = expander.expandHome(await fixedText(path, text, around));
      if (!isPathWithoutSecret(path, dir, around.context)) continue;
      if (!isAbsolutePath(dir)) {
        fault(path, "is no absolute directory; allowed: a path that begins with / or ~");
      }
      dirs.push(dir);
    }
    rules.push({
      name,
      ...directories === undefined ? {} : { directories: dirs },
      ...clients === undefined ? {} : { clients },
    });
  }
  return rules;
}

/** The program and its arguments; as a text it may be a line of a shell, which other clients give it to. */
async function helperOf(
  given: string | readonly string[],
  { context, own }: SignInContext,
): Promise<string[]> {
  const { expander } = context;
  const line = typeof given === "string" ? readCommand(given, (path) => expander.isFile(path)) : undefined;
  const isShell = line?.is === "shell";
  const words = typeof given !== "string"
    ? given
    : line?.is === "line"
    ? line.words
    : isShell
    ? shellFor(given)
    : [given.trim()];
  const filled: string[] = [];
  for (const [i, word] of words.entries()) {
    const path = typeof given === "string" ? ["headersHelper"] : ["headersHelper", i];
    const text = await expandAt(path, word, { context, own, isForShell: isShell });
    if (text !== word) checkNoSecret(path, text, context);
    filled.push(text);
  }
  const [program = "", ...args] = filled;
  return [programPath(program, context), ...args];
}

function shellFor(line: string): string[] {
  return Deno.build.os === "windows" ? ["cmd", "/d", "/s", "/c", line] : ["sh", "-c", line];
}

/** A relative path lies beside the configuration; a name alone is looked up on the PATH. */
function programPath(program: string, { expander }: EntryContext): string {
  const isPath = /[/\\]/.test(program) || program.startsWith("~");
  return isPath && !program.startsWith("${") ? expander.pathBesideConfig(program) : program;
}
