import { isObject, type Json, type JsonObject } from "../base/json.ts";

/** Hosts whose servers are signed in to (OAuth); with a token in a header they need no sign-in. */
const SIGN_IN_HOSTS: ReadonlySet<string> = new Set([
  "app.hubspot.com",
  "bindings.mcp.cloudflare.com",
  "mcp.asana.com",
  "mcp.atlassian.com",
  "mcp.canva.com",
  "mcp.expo.dev",
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

/** Hosts that let only programs sign in which were registered with them beforehand: the clients they know. */
const CLOSED_HOSTS: ReadonlySet<string> = new Set([
  "api.fabric.microsoft.com",
  "api.githubcopilot.com",
  "mcp.clickup.com",
  "mcp.figma.com",
  "mcp.slack.com",
]);

/**
 * Whether the server of `entry`, in the keys of `mcp.json`, is signed in to: not that is known; by anybody; by programs
 * that were registered with it, and no registration is in the entry.
 */
export function signInOf({ url, headers, headersHelper, oauth }: JsonObject): "none" | "open" | "closed" {
  if (typeof url !== "string" || oauth === false) return "none";
  if (headersHelper !== undefined || hasCredentials(headers)) return "none";
  const { hostname, search } = URL.parse(url) ?? { hostname: "", search: "" };
  // A key in the URL is one too.
  if (/[?&](?:key|token|api_?key|access_token)=/i.test(search)) return "none";
  const hasClient = isObject(oauth) &&
    (oauth.clientId !== undefined || oauth.clientMetadataUrl !== undefined);
  if (CLOSED_HOSTS.has(hostname) && !hasClient) return "closed";
  return SIGN_IN_HOSTS.has(hostname) || CLOSED_HOSTS.has(hostname) || isObject(oauth) ? "open" : "none";
}

function hasCredentials(headers: Json | undefined): boolean {
  return isObject(headers) && Object.keys(headers).some((name) => /auth|key|token|cookie/i.test(name));
}
