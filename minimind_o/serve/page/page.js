// The conversation as a page. What it says and hears: minimind_o/realtime/connection.py.

import { createPlayer, samplesOf } from "./modules/player.js";
import { levelOf, openMicrophone } from "./modules/microphone.js";
import { pack, unpack } from "./wire.js";

const element = (id) => document.getElementById(id);
const [log, state, problem] = [element("log"), element("state"), element("problem")];

let socket = null;
let hello = { max_bytes: 0 };
const send = (message, payload) => {
  if (socket?.readyState === WebSocket.OPEN) socket.send(pack(message, payload));
};

const player = createPlayer({
  tell: (report) => {
    if (report.kind === "played") send(report);
    if (report.kind === "gap") complain(`a sound of turn ${report.turn} was lost`);
  },
});

// What stands on the page

const complain = (text) => {
  problem.textContent = text;
};

function say(who, text, picture) {
  const bubble = document.createElement("div");
  bubble.className = `bubble ${who}`;
  if (picture) {
    const image = document.createElement("img");
    image.alt = "the picture that was sent";
    image.src = URL.createObjectURL(picture);
    bubble.append(image);
  }
  const words = document.createElement("p");
  words.textContent = text;
  const note = document.createElement("small");
  bubble.append(words, note);
  log.append(bubble);
  log.scrollTop = log.scrollHeight;
  return { bubble, words, note };
}

const answers = new Map(); // turn -> what `say` returned
function answerOf(turn) {
  if (!answers.has(turn)) answers.set(turn, say("model", ""));
  return answers.get(turn);
}

function choose(list, names, name) {
  list.replaceChildren(...names.map((each) => new Option(each, each)));
  list.value = name;
}

// What the server says

const takes = {
  hello(message) {
    hello = message;
    answers.clear(); // a new session counts its turns from 1
    player.restart();
    choose(element("model"), message.models, message.model);
    choose(element("voice"), message.voices, message.voice);
    takes.state({ state: "listening" });
  },
  state(message) {
    state.textContent = message.state;
    state.dataset.state = message.state;
    if (message.state === "thinking") hearQuestion();
  },
  text({ turn, text }) {
    answerOf(turn).words.textContent += text;
    log.scrollTop = log.scrollHeight;
  },
  sound({ turn, number }, payload) {
    player.sound(turn, number, samplesOf(payload));
  },
  silence({ turn }) {
    player.silence(turn);
    answers.get(turn)?.bubble.classList.add("cut");
  },
  latency({ turn, stages }) {
    const { note } = answerOf(turn);
    note.textContent =
      `first word ${Math.round(stages["first text"])} ms, ` +
      `first sound ${Math.round(stages["first sample played"])} ms`;
    note.title = "after your last word, or after sending";
  },
  voice({ name }) {
    const list = element("voice");
    if (![...list.options].some((option) => option.value === name)) {
      list.add(new Option(name, name));
    }
    list.value = name;
    complain("");
  },
  problem({ message }) {
    complain(message);
  },
};

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/call`);
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => {
    const [message, payload] = unpack(data);
    takes[message.kind]?.(message, payload);
  };
  socket.onclose = ({ reason }) => {
    hangUp();
    state.textContent = "not connected";
    element("send").textContent = "connect";
    complain(reason ? `The server hung up: ${reason}.` : "The server is not there.");
  };
  socket.onopen = () => {
    element("send").textContent = "send";
    complain("");
  };
}

// What the user does

let call = null; // how to end it
let isShown = false; // the question of the turn that begins now stands on the page

// A question that was spoken; one that goes on after a pause is still the same.
function hearQuestion() {
  const goesOn = log.lastElementChild?.dataset.isSpoken;
  if (!isShown && !goesOn) say("user", "(spoken)").bubble.dataset.isSpoken = true;
  isShown = false;
}

async function hangUp() {
  const end = call;
  call = null;
  await end?.();
  element("call").textContent = "call";
  element("level").value = 0;
}

async function pickUp() {
  call = await openMicrophone((samples, rate, number) => {
    element("level").value = levelOf(samples);
    send({ kind: "microphone", number, rate }, samples);
  });
  element("call").textContent = "hang up";
}

element("call").onclick = async ({ target }) => {
  target.disabled = true;
  complain("");
  try {
    await player.resume();
    await (call ? hangUp() : pickUp());
  } catch (error) {
    complain(`No microphone: ${error.message}. Write, or send a recording.`);
  }
  target.disabled = false;
};

element("stop").onclick = () => send({ kind: "interrupt" });
element("voice").onchange = ({ target }) => send({ kind: "voice", name: target.value });
element("model").onchange = ({ target }) => {
  state.textContent = "loading";
  send({ kind: "model", name: target.value });
};

// A file as a message; the input forgets it, so that the same may be chosen again.
async function sendFile(input, kind) {
  const [file] = input.files;
  input.value = "";
  if (!file) return null;
  if (file.size > hello.max_bytes) {
    complain(`${file.name} is too large: ${hello.max_bytes / 1e6} MB at most.`);
    return null;
  }
  complain("");
  send({ kind }, new Uint8Array(await file.arrayBuffer()));
  return file;
}

let picture = null;
function showPicture(file) {
  picture = file;
  element("picture-name").textContent = file ? file.name : "picture";
}
element("picture").onchange = async ({ target }) => {
  showPicture(await sendFile(target, "picture"));
};
element("clone").onchange = ({ target }) => sendFile(target, "clone");
element("speech").onchange = async ({ target }) => {
  await player.resume();
  const file = await sendFile(target, "speech");
  if (!file) return;
  isShown = true;
  say("user", `(${file.name})`, picture);
  showPicture(null);
};

element("form").onsubmit = async (event) => {
  event.preventDefault();
  if (socket.readyState === WebSocket.CLOSED) {
    connect();
    return;
  }
  const text = element("text").value.trim();
  if (!text && !picture) return;
  complain("");
  await player.resume();
  isShown = true;
  say("user", text, picture);
  send({ kind: "ask", text });
  element("text").value = "";
  showPicture(null);
};

connect();
