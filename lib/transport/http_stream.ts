import { getLogger } from "@logtape/logtape";
import { formatBytes } from "../base/units.ts";

const log = getLogger(["exai", "transport"]);

export interface StreamHooks {
  /** Unread bytes held for the client; beyond that the stream is cut. */
  maxQueuedBytes: number;
  onbytes(bytes: number): void;
  /** Called once when nothing more will be read from `body`. `cut`: the client did not take all of it. */
  onend(cut: boolean): void;
}

/**
 * `body` as it is sent to a client, counted, and cut when the client leaves too much of it unread: a stream takes
 * whatever is put into it, whether or not anybody reads.
 */
export function meteredStream(
  body: ReadableStream<Uint8Array>,
  hooks: StreamHooks,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let over = false;
  const end = (cut: boolean) => {
    if (!over) hooks.onend(cut);
    over = true;
  };
  const pump = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
    for (;;) {
      const { done, value } = await reader.read();
      if (over) return;
      if (done) break;
      hooks.onbytes(value.length);
      controller.enqueue(value);
      if ((controller.desiredSize ?? 0) < 0) {
        throw new Error(`${formatBytes(hooks.maxQueuedBytes)} are unread`);
      }
    }
    end(false);
    controller.close();
  };
  return new ReadableStream<Uint8Array>({
    start(controller) {
      pump(controller).catch((thrown) => {
        log.warning("an HTTP stream is cut: {thrown}", { thrown });
        end(true);
        reader.cancel(thrown).catch(() => {});
        controller.error(thrown);
      });
    },
    cancel(reason) {
      end(true);
      return reader.cancel(reason);
    },
  }, { highWaterMark: hooks.maxQueuedBytes, size: ({ length }) => length });
}
