import { isObject, parseJson } from "../../base/json.ts";
import { registerSecret } from "../../base/log.ts";
import { clipRedacted } from "../../base/text.ts";
import { beginningOf } from "../../base/http_response.ts";
import { KIB, MINUTE_MS } from "../../base/units.ts";
import { providerError } from "../api/provider_errors.ts";
import type { AccessToken } from "../api/protocol.ts";

/** The Azure CLI prints the token of whoever has signed in with `az login`. */
const AZURE_CLI =
  "az account get-access-token --resource https://cognitiveservices.azure.com --query accessToken --output tsv";

/** How long the command may take; the Azure CLI takes seconds. */
const COMMAND_TIMEOUT_MS = MINUTE_MS;

/** A token has a few thousand characters. */
const MAX_PRINTED_BYTES = 64 * KIB;

/** How long before its end a token is not used any more. */
const MARGIN_MS = 5 * MINUTE_MS;

/** How long a token is used that does not say when it ends. */
const UNKNOWN_LIFE_MS = 10 * MINUTE_MS;

/** A token of Microsoft Entra ID, printed by a command, and kept until it is about to end. */
export class EntraToken implements AccessToken {
  readonly #command: string;
  #token: { text: string; usableUntilMs: number } | undefined;
  #fetching: Promise<string> | undefined;

  constructor(command: string = "") {
    this.#command = command || AZURE_CLI;
  }

  async get(): Promise<string> {
    if (this.#token !== undefined && Date.now() < this.#token.usableUntilMs) return this.#token.text;
    // Calls that need one at the same time share it.
    this.#fetching ??= this.#fetch().finally(() => this.#fetching = undefined);
    return await this.#fetching;
  }

  async #fetch(): Promise<string> {
    const text = tokenIn(await this.#run());
    if (text === "") throw this.#failed("it printed no token");
    registerSecret(text);
    this.#token = {
      text,
      usableUntilMs: (endOf(text) ?? Date.now() + UNKNOWN_LIFE_MS + MARGIN_MS) - MARGIN_MS,
    };
    return text;
  }

  async #run(): Promise<string> {
    const signal = AbortSignal.timeout(COMMAND_TIMEOUT_MS);
    const { file, args } = shellOf(this.#command);
    await using child = new Deno.Command(file, {
      args,
      windowsRawArguments: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal,
    }).spawn();
    const [stdout, stderr] = await Promise.all([beginning(child.stdout), beginning(child.stderr)]);
    const { success } = await child.status;
    if (signal.aborted) throw this.#failed(`it did not end within ${COMMAND_TIMEOUT_MS / 1000} s`);
    if (success) return stdout;
    throw this.#failed(clipRedacted(stderr.trim(), 300) || "it failed without a reason");
  }

  #failed(why: string) {
    const [program] = this.#command.split(" ");
    return providerError(
      "auth",
      `azure has no key, and the command for an Entra token (${program} …) gave none: ${why}. Sign in with "az login", ` +
        "or set AZURE_OPENAI_API_KEY or AZURE_OPENAI_TOKEN_COMMAND",
      { provider: "azure" },
    );
  }
}

/** What a command prints at first; one that prints without end is not read any further. */
async function beginning(output: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  return await beginningOf(new Response(output), MAX_PRINTED_BYTES).text();
}

/** A shell reads the command line, as its user wrote it in the settings. */
function shellOf(command: string): { file: string; args: string[] } {
  return Deno.build.os === "windows"
    ? { file: "cmd.exe", args: ["/d", "/s", "/c", `"${command}"`] }
    : { file: "/bin/sh", args: ["-c", command] };
}

/** The token in what a command printed: the whole text, or a field of the JSON that the Azure CLI prints by itself. */
function tokenIn(printed: string): string {
  const text = printed.trim();
  if (!text.startsWith("{")) return text;
  const value = parseJson(text);
  if (!isObject(value)) return "";
  const { accessToken, token, access_token } = value;
  return [accessToken, token, access_token].find((one) => typeof one === "string") ?? "";
}

/** When a JSON Web Token ends, in milliseconds since 1970. */
function endOf(token: string): number | undefined {
  try {
    const payload = token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/");
    const claims: unknown = JSON.parse(atob(payload));
    return isObject(claims) && typeof claims.exp === "number" ? claims.exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}
