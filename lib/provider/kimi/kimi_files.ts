import { getLogger } from "@logtape/logtape";
import { untilAborted } from "../../base/abort.ts";
import { ExaiError, messageOf } from "../../base/errors.ts";
import { formatBytes, MIB, MINUTE_MS } from "../../base/units.ts";
import type { Admit, ProviderEndpoint } from "../openai/endpoint.ts";
import { providerError } from "../openai/provider_errors.ts";
import type { ChatOptions, FileService, FileUpload, TextCache, UploadedFile } from "../provider.ts";

const log = getLogger(["exai", "provider"]);

/** Largest file Kimi takes (https://platform.kimi.ai/docs/api/files-upload). */
const MAX_FILE_BYTES = 100 * MIB;

const LIMITS = { silenceMs: 2 * MINUTE_MS, maxBytes: 32 * MIB };

interface KimiFilesOptions {
  endpoint: ProviderEndpoint;
  cache?: TextCache;
  admit?: Admit;
}

/** Kimi's storage for files (https://platform.kimi.ai/docs/api/files). It holds 1,000 files, so none is left there. */
export class KimiFiles implements FileService {
  readonly #options: KimiFilesOptions;
  /** Uploads under way, so that the same file asked for twice at once goes up once. */
  readonly #running = new Map<string, Promise<string>>();

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
    const key = await keyOf(file);
    const known = await this.#options.cache?.get(key);
    if (known !== undefined) return { name, sizeBytes, text: known, cached: true };
    return { name, sizeBytes, text: await this.#extractOnce(key, file, options), cached: false };
  }

  async #extractOnce(key: string, file: FileUpload, options: Pick<ChatOptions, "signal">): Promise<string> {
    const running = this.#running.get(key);
    // A call that joins another's upload must not fall with it.
    if (running !== undefined) {
      const text = await untilAborted(running.catch(() => undefined), options.signal);
      if (text !== undefined) return text;
    }
    const work = this.#extract(file, options);
    this.#running.set(key, work);
    try {
      const text = await work;
      await this.#options.cache?.set(key, text);
      return text;
    } finally {
      if (this.#running.get(key) === work) this.#running.delete(key);
    }
  }

  async #extract(file: FileUpload, { signal }: Pick<ChatOptions, "signal">): Promise<string> {
    const { endpoint } = this.#options;
    const id = await this.#send(file, { signal });
    try {
      return await endpoint.request({ signal, limits: LIMITS }, async (client) => {
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
    return await endpoint.request({ signal, limits: LIMITS }, async (client) => {
      const file = new File([bytes as Uint8Array<ArrayBuffer>], name);
      const { id } = await client.files.create({ file, purpose: purpose as "assistants" }, { signal });
      if (typeof id === "string" && id !== "") return id;
      throw providerError("malformed", `${endpoint.name} took ${name} and gave no id for it`, {
        provider: endpoint.name,
      });
    });
  }

  /** Deletes what was uploaded, also when the call was cancelled meanwhile; what stays is Kimi's to keep. */
  async #delete(id: string): Promise<void> {
    const signal = AbortSignal.timeout(LIMITS.silenceMs);
    try {
      await this.#options.endpoint.request(
        { signal, limits: LIMITS },
        (client) => client.files.delete(id, { signal }),
      );
    } catch (thrown) {
      log.warning("a file uploaded to kimi could not be deleted there: {reason}", {
        reason: messageOf(thrown),
      });
    }
  }
}

/** The name counts too: its extension tells Kimi how to read the file. */
async function keyOf({ name, bytes }: FileUpload): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  const extension = /\.[^.]*$/.exec(name)?.[0].toLowerCase() ?? "";
  return `kimi:file-extract:${new Uint8Array(digest).toHex()}${extension}`;
}
