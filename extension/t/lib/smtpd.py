#!/usr/bin/python3
"""An SMTP server for tests: aiosmtpd, keeping what it accepts.

    smtpd.py FOLDER [--port N] [--tls CERT KEY | --starttls CERT KEY] [--login USER PASSWORD]

Prints its port and serves on 127.0.0.1 until it is killed. Each accepted mail is one JSON file in
FOLDER, written before the answer 250. The local part of the recipient says how it is treated:

    later-*    451 at RCPT TO              never-*     550 at RCPT TO
    grey-*     451 at the first RCPT TO    quote-*     554 after the message, quoting its digits
    full-*     452 after the message       gate-*      answered when the file FOLDER/open exists
"""

import argparse
import asyncio
import json
import os
import re
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

GATE_POLL_S = 0.02


class Handler:
    def __init__(self, folder):
        self.folder = folder
        self.count = 0
        self.seen = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        local = address.split("@")[0]
        if local.startswith("later-"):
            return "451 4.3.0 try again later"
        if local.startswith("never-"):
            return "550 5.1.1 no such mailbox"
        if local.startswith("grey-") and address not in self.seen:
            self.seen.add(address)
            return "451 4.7.1 greylisted"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        text = envelope.content.decode("utf-8", "replace")
        local = envelope.rcpt_tos[0].split("@")[0]
        if local.startswith("quote-"):
            code = re.search(r"^ {4}(\d{6})", text, re.M).group(1)
            return f"554 5.6.0 what is {code} good for? {code}!"
        if local.startswith("full-"):
            return "452 4.2.2 mailbox full"
        if local.startswith("gate-"):
            self.keep("waiting", server, session, envelope, text)
            while not os.path.exists(os.path.join(self.folder, "open")):
                await asyncio.sleep(GATE_POLL_S)
        self.keep("mail", server, session, envelope, text)
        return "250 2.0.0 taken"

    def keep(self, kind, server, session, envelope, text):
        self.count += 1
        path = os.path.join(self.folder, f"{kind}-{os.getpid()}-{self.count}")
        mail = {
            "sender": envelope.mail_from,
            "recipients": envelope.rcpt_tos,
            "name": session.host_name,
            "tls": server.transport.get_extra_info("ssl_object") is not None,
            "login": (session.auth_data.login.decode() if session.auth_data else None),
            "message": text,
        }
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(mail, file)
        os.rename(path + ".new", path + ".json")


def login_checker(user, password):
    def check(server, session, envelope, mechanism, data):
        right = isinstance(data, LoginPassword) and data == LoginPassword(user.encode(), password.encode())
        return AuthResult(success=right, handled=False, auth_data=data if right else None)

    return check


def context_of(files):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


async def serve(arguments):
    handler = Handler(arguments.folder)
    options = {"hostname": "smtp.test", "enable_SMTPUTF8": True}
    if arguments.login:
        options |= {
            "authenticator": login_checker(*arguments.login),
            "auth_required": True,
            "auth_require_tls": bool(arguments.starttls),
        }
    if arguments.starttls:
        options |= {"tls_context": context_of(arguments.starttls), "require_starttls": True}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, loop=loop, **options),
        "127.0.0.1",
        arguments.port,
        ssl=context_of(arguments.tls) if arguments.tls else None,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--starttls", nargs=2)
    parser.add_argument("--login", nargs=2)
    try:
        asyncio.run(serve(parser.parse_args()))
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
