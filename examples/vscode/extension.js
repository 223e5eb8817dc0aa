// Starts `plait lsp` and connects it to the editor; everything else is the server's.

const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = async function () {
  const [command, ...args] = workspace.getConfiguration("plait").get("command");
  const documents = { documentSelector: [{ language: "plait" }] };
  client = new LanguageClient("plait", "Plait IR", { command, args }, documents);
  await client.start();
};

exports.deactivate = function () {
  return client?.stop();
};
