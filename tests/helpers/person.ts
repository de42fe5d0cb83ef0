/** How many pages a person looks at before giving up. */
const MAX_PAGES = 20;

export interface PersonOptions {
  /** As whom the person signs in. */
  account?: string;
  /** Whether the person says no. */
  refuses?: boolean;
  /** Where the person stops, with the address in the address bar: a redirect to what begins so is not followed. */
  stopsAt?: string;
}

/** Where a person ended up. */
export interface Ended {
  url: string;
  status: number;
  /** What the page says; empty where the person stopped before it. */
  page: string;
}

/**
 * Does what a person does with a browser who is sent to `url`: follows redirects, keeps cookies of each host, fills in
 * and sends each form, until a page has none.
 */
export async function visit(url: string, options: PersonOptions = {}): Promise<Ended> {
  const { stopsAt } = options;
  const cookies = new Map<string, Map<string, string>>();
  let request = new Request(url);
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    if (stopsAt !== undefined && request.url.startsWith(stopsAt)) {
      await request.body?.cancel();
      return { url: request.url, status: 0, page: "" };
    }
    const jar = cookies.getOrInsert(new URL(request.url).origin, new Map());
    request.headers.set("cookie", Array.from(jar, ([name, value]) => `${name}=${value}`).join("; "));
    const response = await fetch(request, { redirect: "manual" });
    for (const cookie of response.headers.getSetCookie()) keep(jar, cookie);
    const location = response.headers.get("location");
    const page = await response.text();
    if (location !== null && response.status >= 300 && response.status < 400) {
      request = new Request(new URL(location, request.url));
      continue;
    }
    const next = filledIn(page, request.url, options);
    if (!next) return { url: request.url, status: response.status, page };
    request = next;
  }
  throw new Error(`${url} never came to an end; the last page was ${request.url}`);
}

function keep(jar: Map<string, string>, cookie: string): void {
  const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!;
  if (value === "") jar.delete(name!);
  else jar.set(name!, value!);
}

/** The request that sends the form of `page`; undefined where it has none. */
function filledIn(page: string, url: string, { account, refuses }: PersonOptions): Request | undefined {
  const form = /<form\b([^>]*)>([\s\S]*?)<\/form>/i.exec(page);
  if (!form) return undefined;
  const fields = new URLSearchParams();
  for (const [, attributes] of form[2]!.matchAll(/<input\b([^>]*)>/gi)) {
    const name = attribute(attributes!, "name");
    if (name) fields.set(name, attribute(attributes!, "value") ?? "");
  }
  if (account !== undefined && fields.has("account")) fields.set("account", account);
  if (refuses) fields.set("refuse", "yes");
  const action = attribute(form[1]!, "action") ?? url;
  return new Request(new URL(action, url), { method: "POST", body: fields });
}

function attribute(attributes: string, name: string): string | undefined {
  return new RegExp(`\\b${name}="([^"]*)"`, "i").exec(attributes)?.[1]?.replaceAll("&amp;", "&");
}
