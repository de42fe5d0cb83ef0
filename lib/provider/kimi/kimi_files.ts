import { getLogger } from "@logtape/logtape";
import { untilAborted } from "../../base/abort.ts";
import { ExaiError, messageOf } from "../../base/errors.ts";
import { formatBytes, MIB, MINUTE_MS } from "../../base/units.ts";
import type { Admit, ProviderEndpoint } from "../api/endpoint.ts";
import { providerError } from "../api/provider_errors.ts";
import { createClient } from "../openai/sdk_client.ts";
import type { ChatOptions, FileService, FileUpload, TextCache, UploadedFile } from "../provider.ts";

const log = getLogger(["exai", "provider"]);

/** The largest file Kimi accepts (https://platform.kimi.ai/docs/api/files-upload). */
const MAX_FILE_BYTES = 100 * MIB;

const LIMITS = { silenceMs: 2 * MINUTE_MS, maxBytes: 32 * MIB };

interface KimiFilesOptions {
  endpoint: ProviderEndpoint;
  cache?: TextCache;
  admit?: Admit;
}

/**
 * Kimi's Files API (https://platform.kimi.ai/docs/api/files). An account holds 1,000 files, so each is deleted after
 * use.
 */
export class KimiFiles implements FileService {
  readonly #options: KimiFilesOptions;
  /** Pending extractions by cache key, so that concurrent calls for one file share an upload. */
  readonly #pending = new Map<string, Promise<string>>();

  constructor(options: KimiFilesOptions) {
    this.#options = options;
  }

  async upload(file: FileUpload, options: Pick<ChatOptions, "signal">): Promise<UploadedFile> {
    const { name, bytes, purpose } = file;
    if (bytes.byteLength > MAX_FILE_BYTES) {
      throw new ExaiError(
        "TOO_LARGE",
        `${name} has ${formatBytes(bytes.byteLength)}; Kimi takes files of up to ${
          formatBytes(MAX_FILE_BYTES)
        }`,
      );
    }
    const sizeBytes = bytes.byteLength;
    if (purpose === "assistants") {
      const id = await this.#send(file, options);
      return { id, name, sizeBytes, cached: false };
    }
    const key = await cacheKey(file);
    const cached = await this.#options.cache?.get(key);
    if (cached !== undefined) return { name, sizeBytes, text: cached, cached: true };
    return { name, sizeBytes, text: await this.#extractOnce(key, file, options), cached: false };
  }

  async #extractOnce(key: string, file: FileUpload, options: Pick<ChatOptions, "signal">): Promise<string> {
    const pending = this.#pending.get(key);
    // A failure of the call that started the upload must not fail this one.
    if (pending !== undefined) {
      const text = await untilAborted(pending.catch(() => undefined), options.signal);
      if (text !== undefined) return text;
    }
    const work = this.#extract(file, options);
    this.#pending.set(key, work);
    try {
      const text = await work;
      await this.#options.cache?.set(key, text);
      return text;
    } finally {
      if (this.#pending.get(key) === work) this.#pending.delete(key);
    }
  }

  async #extract(file: FileUpload, { signal }: Pick<ChatOptions, "signal">): Promise<string> {
    const { endpoint } = this.#options;
    const id = await this.#send(file, { signal });
    try {
      return await endpoint.request({ signal, limits: LIMITS }, async (exchange) => {
        const client = await createClient(exchange);
        return await (await client.files.content(id, { signal })).text();
      });
    } finally {
      await this.#delete(id);
    }
  }

  async #send(
    { name, bytes, purpose }: FileUpload,
    { signal }: Pick<ChatOptions, "signal">,
  ): Promise<string> {
    const { endpoint, admit } = this.#options;
    using _slot = await admit?.(endpoint.name, signal);
    return await endpoint.request({ signal, limits: LIMITS }, async (exchange) => {
      const client = await createClient(exchange);
      const file = new File([bytes as Uint8Array<ArrayBuffer>], name);
      // The type of the package does not know "file-extract", a purpose of Kimi's.
      const { id } = await client.files.create({ file, purpose: purpose as "assistants" }, { signal });
      if (typeof id === "string" && id !== "") return id;
      throw providerError("malformed", `${endpoint.name} took ${name} and gave no id for it`, {
        provider: endpoint.name,
      });
    });
  }

  /** Deletes an uploaded file, even if the call was cancelled meanwhile. A failure is only logged. */
  async #delete(id: string): Promise<void> {
    const signal = AbortSignal.timeout(LIMITS.silenceMs);
    try {
      await this.#options.endpoint.request(
        { signal, limits: LIMITS },
        async (exchange) => await (await createClient(exchange)).files.delete(id, { signal }),
      );
    } catch (thrown) {
      log.warning("a file uploaded to kimi could not be deleted there: {reason}", {
        reason: messageOf(thrown),
      });
    }
  }
}

/** The key includes the extension, by which Kimi decides how to read the file. */
async function cacheKey({ name, bytes }: FileUpload): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  const extension = /\.[^.]*$/.exec(name)?.[0].toLowerCase() ?? "";
  return `kimi:file-extract:${new Uint8Array(digest).toHex()}${extension}`;
}
