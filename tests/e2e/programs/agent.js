// An agent as its author might have written it before SutazAI: Node, no packages.
const http = require("node:http");

const read = (stream) =>
  new Promise((done, failed) => {
    let text = "";
    stream.on("data", (piece) => (text += piece));
    stream.on("end", () => done(text));
    stream.on("error", failed);
  });

async function asked(input) {
  const answer = await fetch(`${process.env.OPENAI_BASE_URL}/chat/completions`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${process.env.OPENAI_API_KEY}`,
    },
    body: JSON.stringify({ model: "standard", messages: [{ role: "user", content: input }] }),
  });
  return (await answer.json()).choices[0].message.content;
}

const server = http.createServer(async (request, response) => {
  if (request.url === "/health") return response.end('{"status": "healthy"}');
  const { input } = JSON.parse(await read(request));
  if (input === "crash") process.exit(7);
  const output = { text: await asked(input), pid: process.pid, in: process.version };
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ output }));
});

process.on("SIGTERM", () => {
  console.log("asked to end");
  process.exit(0);
});
server.listen(process.env.PORT, "127.0.0.1", () => console.log("listening"));
