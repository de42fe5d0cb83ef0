import { ExaiError, messageOf, UsageError } from "../base/errors.ts";
import { boundedBody } from "../base/http_response.ts";
import { isObject, type JsonObject, textOf } from "../base/json.ts";
import { isNewer } from "../base/release.ts";
import { quoteName, trimStartOf } from "../base/text.ts";
import { MIB, SECOND_MS } from "../base/units.ts";
import { VERSION } from "../base/version.ts";
import { visible } from "../base/visible.ts";
import type { Action, CommandResult, Invocation } from "./command.ts";
import { EXIT } from "./exit_codes.ts";

const TIMEOUT_MS = 15 * SECOND_MS;
const MAX_BYTES = MIB;

export const updateCommand: Action = {
  summary: "Say whether there is a newer release",
  about: [
    "It sends one GET request to the URL in the setting EXAI_RELEASES_URL, and nothing but the version of this program " +
    "with it. No other command and no daemon asks. Nothing is downloaded or installed.",
  ],
  forms: [{ args: "--check", does: "asks the source of releases which one is the newest" }],
  flags: [{ name: "check", help: "Ask, and change nothing" }],
  exits: { 0: "this is the newest release", 1: "there is a newer one, or the source could not be asked" },
  run: update,
};

/** The newest release, as its source describes it. */
interface Newest {
  version: string;
  /** Where people read about it and download it. */
  url?: string;
  publishedAt?: string;
}

async function update({ settings, switches, usage, progress }: Invocation): Promise<CommandResult> {
  if (!switches.has("check")) {
    throw new UsageError(
      `update installs nothing by itself, it only says what there is: exai-daemon ${usage}`,
    );
  }
  const { releasesUrl: source } = settings;
  if (source === "") {
    throw new ExaiError(
      "CONFIG",
      'no source of releases is set; write "releasesUrl": "URL" into exai.json, or set EXAI_RELEASES_URL, such as to ' +
        "https://api.github.com/repos/OWNER/NAME/releases/latest",
    );
  }
  progress.step(`asking ${withoutPassword(source)}`);
  const newest = await ask(source);
  const isThere = isNewer({ version: newest.version }, { version: VERSION });
  return {
    text: isThere ? describe(newest) : `${VERSION} is the newest release`,
    json: {
      version: VERSION,
      newest: newest.version,
      update: isThere,
      url: newest.url,
      published_at: newest.publishedAt,
    },
    code: isThere ? EXIT.no : EXIT.done,
  };
}

function describe({ version, url, publishedAt }: Newest): string {
  const since = publishedAt === undefined ? "" : `, of ${visible(publishedAt)}`;
  const from = url === undefined ? "" : `: ${visible(url)}`;
  return `${visible(version)} is there${since}, and this is ${VERSION}${from}`;
}

/** @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when it cannot be asked, or does not name a version */
async function ask(source: string): Promise<Newest> {
  const text = await fetchText(source).catch((thrown) => {
    throw unavailable(source, messageOf(thrown), thrown);
  });
  const found = parse(text);
  if (found === undefined) {
    throw unavailable(source, 'its answer names no version: it must be JSON with "version" or "tag_name"');
  }
  const version = trimStartOf(found.version, "v");
  // Of two versions that cannot be compared none is newer.
  if (!/^\d+\.\d+\.\d+/.test(version)) {
    throw unavailable(source, `it names the version ${quoteName(found.version)}, which is none as 1.2.3`);
  }
  return { ...found, version };
}

async function fetchText(source: string): Promise<string> {
  const response = await fetch(source, {
    headers: { accept: "application/json", "user-agent": `exai/${VERSION}` },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const tooLarge = () => new Error("its answer has more than 1 MiB");
  if (response.ok) return await boundedBody(response, { maxBytes: MAX_BYTES, tooLarge }).text();
  await response.body?.cancel();
  throw new Error(`it answers with status ${response.status}`);
}

/** As EXAI's own releases, GitHub and npm describe one. */
function parse(text: string): Newest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const release: JsonObject = isObject(value) ? value : {};
  const version = textOf(release.version) ?? textOf(release.tag_name);
  return version === undefined ? undefined : {
    version,
    url: textOf(release.html_url) ?? textOf(release.url),
    publishedAt: textOf(release.published_at),
  };
}

function unavailable(source: string, why: string, cause?: unknown): ExaiError {
  const message = `the source of releases ${
    withoutPassword(source)
  } could not be asked: ${why}; see EXAI_RELEASES_URL, or releasesUrl in exai.json`;
  return new ExaiError("UPSTREAM_UNAVAILABLE", message, { cause });
}

function withoutPassword(source: string): string {
  const url = URL.parse(source);
  if (!url || url.username + url.password === "") return source;
  return Object.assign(url, { username: "", password: "" }).href;
}
