import { isObject, type Json, type JsonObject } from "../base/json.ts";

/** Hosts whose servers only a client that signs in reaches (OAuth); with a token in a header they need no sign-in. */
const SIGN_IN_HOSTS: ReadonlySet<string> = new Set([
  "api.fabric.microsoft.com",
  "api.githubcopilot.com",
  "app.hubspot.com",
  "bindings.mcp.cloudflare.com",
  "mcp.asana.com",
  "mcp.atlassian.com",
  "mcp.canva.com",
  "mcp.expo.dev",
  "mcp.figma.com",
  "mcp.intercom.com",
  "mcp.linear.app",
  "mcp.monday.com",
  "mcp.neon.tech",
  "mcp.netlify.com",
  "mcp.notion.com",
  "mcp.paypal.com",
  "mcp.polar.sh",
  "mcp.sentry.dev",
  "mcp.square.com",
  "mcp.stripe.com",
  "mcp.supabase.com",
  "mcp.vercel.com",
  "mcp.webflow.com",
  "observability.mcp.cloudflare.com",
]);

const SIGN_IN_KEYS = ["oauth", "auth", "authProviderType", "oauth_resource"];

/**
 * Whether a client signs in to the server of an entry: EXAI cannot, so that its tools would be gone.
 *
 * @param value the entry as its client has it
 * @param entry as `mcp.json` would
 */
export function needsSignIn(value: Json, { url, headers }: JsonObject): boolean {
  if (typeof url !== "string" || hasCredentials(headers)) return false;
  const { hostname, search } = URL.parse(url) ?? { hostname: "", search: "" };
  // A key in the URL is one too.
  if (/[?&](?:key|token|api_?key|access_token)=/i.test(search)) return false;
  return SIGN_IN_HOSTS.has(hostname) || (isObject(value) && SIGN_IN_KEYS.some((key) => says(value[key])));
}

function hasCredentials(headers: Json | undefined): boolean {
  return isObject(headers) && Object.keys(headers).some((name) => /auth|key|token|cookie/i.test(name));
}

/** An object, however empty, switches it on; `false` and `null` do not. */
function says(value: Json | undefined): boolean {
  return value !== undefined && value !== null && value !== false && value !== "" &&
    !(isObject(value) && value.enabled === false);
}
