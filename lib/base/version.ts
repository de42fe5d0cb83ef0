/** Version of both programs; the wire protocol says it in `hello_ack.daemon.version`. */
export const VERSION = "0.1.0";
