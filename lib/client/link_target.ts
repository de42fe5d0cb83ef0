/**
 * Why there is no link: nobody listens; the token is not accepted; the daemon refuses what the hello says; what is
 * there has not proved that it is our daemon; what is there does not answer, or not as a daemon does.
 */
export type LinkFault = "refused" | "unauthorized" | "rejected" | "unproven" | "unreachable";

/** No link to the daemon came about. The message is fit for the person at the client. */
export class LinkError extends Error {
  override name = "LinkError";
  readonly fault: LinkFault;

  constructor(fault: LinkFault, message: string) {
    super(message);
    this.fault = fault;
  }
}
