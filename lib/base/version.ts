/** Version of both programs, sent as `hello_ack.daemon.version`. */
export const VERSION = "0.1.0";
