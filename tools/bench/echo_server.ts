/** The floor: a bare WebSocket server that sends back what it gets. Says its address on stdout. */
Deno.serve({
  hostname: "127.0.0.1",
  port: 0,
  // deno-lint-ignore no-console -- its parent reads the address here
  onListen: ({ hostname, port }) => console.log(`ws://${hostname}:${port}/`),
}, (request) => {
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.onmessage = ({ data }) => socket.send(data);
  return response;
});
