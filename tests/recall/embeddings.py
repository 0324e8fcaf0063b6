"""A local endpoint that speaks as OpenAI's `/v1/embeddings` does, with all-MiniLM-L6-v2.

Tells its address on the first line of its output and serves until its input ends. Texts that it has seen are answered
from memory.
"""

import http.server
import json
import sys
import threading

from minilm import MiniLm, model_folder

MODEL = "all-MiniLM-L6-v2"


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.model, self.known, self.lock = MiniLm(model_folder()), {}, threading.Lock()

    def vectors(self, texts):
        with self.lock:
            new = list(dict.fromkeys(text for text in texts if text not in self.known))
            tokens = 0
            if new:
                vectors, tokens = self.model.embed(new)
                self.known.update(zip(new, vectors.tolist()))
            return [self.known[text] for text in texts], tokens


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path != "/v1/embeddings":
            return self.answer(404, {"error": {"message": "no such path"}})
        try:
            asked = json.loads(body)["input"]
            texts = [asked] if isinstance(asked, str) else list(asked)
            vectors, tokens = self.server.vectors([str(text) for text in texts])
        except (KeyError, TypeError, ValueError) as error:
            return self.answer(400, {"error": {"message": str(error)}})
        rows = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return self.answer(200, {"object": "list", "data": rows, "model": MODEL, "usage": usage})

    def answer(self, status, body):
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_):
        pass


def main():
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
    sys.stdin.read()


main()
