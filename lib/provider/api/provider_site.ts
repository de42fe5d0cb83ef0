import { ownEntry } from "../../base/json.ts";
import { trimEndOf } from "../../base/text.ts";
import { PROVIDER_KINDS, type ProviderName } from "../provider_kinds.ts";

/** Where requests go, and by which settings, for advice in errors. */
export interface ProviderSite {
  /** The name of the provider. */
  name: string;
  kind: ProviderName;
  baseUrl: string;
  hasKey: boolean;
}

/** Paths of an API's endpoints, which its base URL does not have. */
const ENDPOINT = /\/(?:chat\/completions|completions|responses|messages|embeddings|(?<=\/v\d\w*\/)models)$/i;

/** Paths of pages, and of Ollama's own API, that stand in an address bar or an example. */
const NO_API = /\/(?:chat|generate|tags|show|docs|redoc|ui|health|metrics|models|[\w-]+\.(?:html|json))$/i;

/** The paths at which the APIs of known hosts begin, the usual one first. */
const PATHS: Readonly<Record<string, readonly string[]>> = {
  "api.openai.com": ["/v1"],
  "openrouter.ai": ["/api/v1"],
  "api.moonshot.ai": ["/v1"],
  "api.moonshot.cn": ["/v1"],
  "api.kimi.com": ["/coding/v1"],
  "api.z.ai": ["/api/paas/v4", "/api/coding/paas/v4"],
  "open.bigmodel.cn": ["/api/paas/v4", "/api/coding/paas/v4"],
  "generativelanguage.googleapis.com": ["/v1beta/openai"],
  "api.anthropic.com": ["/v1"],
  "api.x.ai": ["/v1"],
  "api.mistral.ai": ["/v1"],
  "api.groq.com": ["/openai/v1"],
  "api.fireworks.ai": ["/inference/v1"],
  "api.together.xyz": ["/v1"],
  "integrate.api.nvidia.com": ["/v1"],
  "dashscope.aliyuncs.com": ["/compatible-mode/v1"],
  "dashscope-intl.aliyuncs.com": ["/compatible-mode/v1"],
  "ark.cn-beijing.volces.com": ["/api/v3"],
};

/** Platforms of one vendor whose keys are not valid on one another. */
const PLATFORMS: readonly { kind?: ProviderName; sites: readonly { url: string; of: string }[] }[] = [
  {
    kind: "kimi",
    sites: [
      { url: "https://api.moonshot.ai/v1", of: "platform.kimi.ai" },
      { url: "https://api.moonshot.cn/v1", of: "platform.kimi.com (moonshot.cn)" },
      { url: "https://api.kimi.com/coding/v1", of: "a Kimi Code membership (sk-kimi-…)" },
    ],
  },
  {
    kind: "glm",
    sites: [
      { url: "https://api.z.ai/api/coding/paas/v4", of: "a GLM Coding Plan of Z.AI" },
      { url: "https://api.z.ai/api/paas/v4", of: "Z.AI" },
      { url: "https://open.bigmodel.cn/api/coding/paas/v4", of: "a Coding Plan of bigmodel.cn" },
      { url: "https://open.bigmodel.cn/api/paas/v4", of: "bigmodel.cn" },
    ],
  },
  {
    sites: [
      { url: "https://dashscope.aliyuncs.com/compatible-mode/v1", of: "Alibaba Cloud in China" },
      { url: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", of: "Alibaba Cloud elsewhere" },
    ],
  },
  {
    sites: [
      { url: "https://api.minimax.io/v1", of: "minimax.io" },
      { url: "https://api.minimaxi.com/v1", of: "minimaxi.com" },
    ],
  },
  {
    sites: [
      { url: "https://api.siliconflow.com/v1", of: "siliconflow.com" },
      { url: "https://api.siliconflow.cn/v1", of: "siliconflow.cn" },
    ],
  },
];

/** Servers by their default port on this machine, and how they are started. */
const LOCAL_SERVERS: Readonly<Record<string, string>> = {
  1234: "LM Studio (Developer, Start server, or `lms server start`)",
  11434: "Ollama (`ollama serve`)",
  8000: "vLLM (`vllm serve`)",
  8080: "llama.cpp (`llama-server`)",
  1337: "Jan (Local API Server)",
};

/**
 * `url` as a base URL: without a slash, a query or the path of an endpoint at its end, which nobody means by it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { toBaseUrl } from "./provider_site.ts";
 *
 * assertEquals(toBaseUrl("http://localhost:1234/v1/chat/completions/"), "http://localhost:1234/v1");
 * ```
 */
export function toBaseUrl(url: string): string {
  const path = trimEndOf(url.trim().replace(/[?#].*$/s, ""), "/");
  return trimEndOf(path.replace(ENDPOINT, ""), "/");
}

/**
 * `key` as it is sent: without spaces, quotes, the header or the variable, which are pasted with it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { toKey } from "./provider_site.ts";
 *
 * assertEquals(toKey(' "Bearer sk-1"\n'), "sk-1");
 * assertEquals(toKey("export KIMI_API_KEY='sk-1'"), "sk-1");
 * ```
 */
export function toKey(key: string): string {
  const text = key.trim();
  const quote = text[0];
  const bare = (quote === '"' || quote === "'") && text.length > 1 && text.endsWith(quote)
    ? text.slice(1, -1)
    : text;
  // A line of a shell, or the header as a page shows it.
  const [, assigned = bare] =
    /^(?:export\s+)?(?:[A-Z]\w*_KEY\s*=|authorization:|(?:x-)?api-key:)\s*(.*)$/is.exec(bare.trim()) ?? [];
  return (assigned === bare ? bare : toKey(assigned)).trim().replace(/^Bearer\s+/i, "");
}

/** The kinds with APIs of their own, whose clients find the paths whatever part of them the URL has. */
const OWN_APIS: Readonly<Partial<Record<ProviderName, string>>> = {
  gemini: "the Gemini API",
  anthropic: "the Messages API of Anthropic",
  azure: "Azure OpenAI",
};

/** The URL at which the OpenAI API of a site most likely begins; undefined if that is the one it has. */
export function likelyUrl(site: Pick<ProviderSite, "kind" | "baseUrl"> | undefined): string | undefined {
  const { kind = "custom", baseUrl = "" } = site ?? {};
  const url = URL.parse(baseUrl);
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined;
  if (ownEntry(OWN_APIS, kind) !== undefined) return undefined;
  const path = trimEndOf(url.pathname, "/");
  const known = ownEntry(PATHS, url.hostname);
  if (known !== undefined) return known.includes(path) ? undefined : `${url.origin}${known[0]}`;
  if (url.hostname.endsWith(".openai.azure.com")) {
    return path === "/openai/v1" ? undefined : `${url.origin}/openai/v1`;
  }
  const stem = path.replace(/(?:\/api)?\/v\d\w*(?:\/.*)?$/i, "").replace(NO_API, "").replace(/^\/api$/, "");
  const likely = `${url.origin}${stem}/v1`;
  return likely === trimEndOf(baseUrl, "/") ? undefined : likely;
}

/** What to do where something else than the API answers at the URL of `site`; empty without one. */
export function wrongPathAdvice(site: ProviderSite | undefined): string {
  if (site === undefined) return "";
  const likely = likelyUrl(site);
  const where = `. The URL of ${site.name} is ${site.baseUrl}`;
  if (likely === undefined) {
    return `${where}: check ${urlSetting(site)}, and that ${
      ownEntry(OWN_APIS, site.kind) ?? "an OpenAI API"
    } is there`;
  }
  return `${where}, and its API most likely begins at ${likely}: set ${urlSetting(site)} to that`;
}

/** What to do where no request can be made of the URL and the key of `site`. */
export function settingsAdvice(site: ProviderSite | undefined): string {
  if (site === undefined) return "Check its URL and its key";
  return `Check ${urlSetting(site)} and ${
    keySetting(site)
  }: a URL begins with http:// or https://, a key is one line of ` +
    "ASCII characters";
}

/** What to do where `site` cannot be reached because of `reason`. */
export function unreachableAdvice(site: ProviderSite | undefined, reason: string): string {
  const url = site === undefined ? null : URL.parse(site.baseUrl);
  if (site === undefined || url === null) return "";
  const setting = urlSetting(site);
  if (reason.includes("InvalidContentType")) {
    return `. It does not speak TLS: set ${setting} to ${site.baseUrl.replace(/^https:/, "http:")}`;
  }
  if (reason.includes("dns error")) {
    return `. There is no host ${url.hostname}: check ${setting}, and the network`;
  }
  if (reason.includes("are blocked")) {
    return `. Port ${url.port} is reserved for another protocol: let the server listen at another, and correct ${setting}`;
  }
  if (!isLoopback(url.hostname)) return `. Check ${setting} (${site.baseUrl}), the network and the firewall`;
  const server = ownEntry(LOCAL_SERVERS, url.port);
  return `. Nothing listens at ${site.baseUrl}: start ${server ?? "the server"}, or correct ${setting}`;
}

/** What to do where `site` refuses the key, or has no credit for it. */
export function keyAdvice(site: ProviderSite | undefined, subject: "key" | "credit"): string {
  if (site === undefined) return "Check its key, and that the key may use this model";
  const key = keySetting(site);
  const check = subject === "credit"
    ? "Its account has nothing left for this"
    : site.hasKey
    ? `Check its key, ${key}, and that it may use this model`
    : `It wants a key: set ${key}`;
  const elsewhere = otherPlatforms(site);
  return elsewhere === "" ? check : `${check}. ${elsewhere}`;
}

/** The platforms of the same vendor on which another key is valid. */
function otherPlatforms(site: ProviderSite): string {
  const host = URL.parse(site.baseUrl)?.hostname;
  const hostOf = ({ url }: { url: string }) => new URL(url).hostname;
  const vendor = PLATFORMS.find(({ kind, sites }) =>
    (kind !== undefined && kind === site.kind) || sites.some((one) => hostOf(one) === host)
  );
  const others = (vendor?.sites ?? []).filter(({ url }) => url !== site.baseUrl);
  if (others.length === 0) return "";
  // The same host first: its plans are mistaken for one another more often than its regions.
  const sorted = others.toSorted((a, b) => Number(hostOf(b) === host) - Number(hostOf(a) === host));
  const list = sorted.map(({ url, of }) => `${url} for one of ${of}`).join(", ");
  return `A key is valid on its own platform only; set ${urlSetting(site)} to ${list}`;
}

/** The setting of the URL of a site, as it is called in `exai.json` and the environment. */
export function urlSetting(site: Pick<ProviderSite, "name" | "kind">): string {
  if (site.kind === "custom" && site.name === "ollama") return "OLLAMA_HOST";
  if (site.name !== site.kind) return `url of ${site.name} in models.json`;
  return settingOf(site.kind, /^\w+_(?:URL|ENDPOINT)$/) ?? `the URL of ${site.name}`;
}

/** The setting of the key of a site. */
function keySetting(site: Pick<ProviderSite, "name" | "kind">): string {
  if (site.name !== site.kind) return `apiKey of ${site.name} in models.json`;
  return settingOf(site.kind, /^\w+_KEY$/) ?? "where you wrote it";
}

/** The variables of a kind of provider that fit `pattern`, as settings. */
function settingOf(kind: ProviderName, pattern: RegExp): string | undefined {
  const row = PROVIDER_KINDS.find((one) => one.name === kind);
  const variables = [...row?.setUpBy ?? [], ...row?.options ?? []].map((one) => one.split(" ")[0]!);
  const settings = variables.filter((one) => pattern.test(one)).map((one) => `${settingKey(one)} (${one})`);
  return settings.length === 0 ? undefined : settings.join(" or ");
}

/** The key in `exai.json` of the setting with the environment variable `variable`. */
export function settingKey(variable: string): string {
  return variable.toLowerCase().replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.") ||
    hostname === "0.0.0.0";
}
