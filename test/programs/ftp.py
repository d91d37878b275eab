# SPDX-License-Identifier: Apache-2.0
"""Fetches a file from an FTP server and stores it there under another name: ftp.py ADDRESS PORT active|passive NAME NEW-NAME.

Prints the SHA-256 of what came and the size that the server says the new one has.
"""
import ftplib
import hashlib
import io
import sys

address, port, mode, name, new_name = sys.argv[1:]
ftp = ftplib.FTP()
ftp.connect(address, int(port))
ftp.login()
ftp.set_pasv(mode == 'passive')
content = io.BytesIO()
ftp.retrbinary('RETR ' + name, content.write)
ftp.storbinary('STOR ' + new_name, io.BytesIO(content.getvalue()))
print(hashlib.sha256(content.getvalue()).hexdigest(), ftp.size(new_name))
ftp.quit()
