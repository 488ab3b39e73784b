"""An MCP server as people write them: its AWS client is made at the start and kept."""

import boto3

from botocore.exceptions import BotoCoreError, ClientError
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError


session = boto3.Session()
sts = session.client("sts")
server = MCPServer("aws")


@server.tool()
def whoami() -> str:
    """The ARN by which AWS knows the server, and the access key ID that it used."""
    try:
        arn = sts.get_caller_identity()["Arn"]
    except (BotoCoreError, ClientError) as error:
        # What else is raised is told without its text.
        raise ToolError(str(error)) from None
    return f"{arn} {session.get_credentials().get_frozen_credentials().access_key}"


server.run()
