//! One connection: frames in, frames out.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::BrokerId;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;

use super::Shared;
use super::shared::ToConn;
use crate::ctx::ConnId;

/// Serves one connection until either side ends it.
pub(crate) async fn serve<S>(shared: Arc<Shared>, broker: BrokerId, host: String, stream: S)
where
    S: AsyncRead + AsyncWrite,
{
    let Some((conn, answers)) = shared.connect(broker, &host) else { return };
    let (reader, writer) = tokio::io::split(stream);
    let room = Semaphore::new(REQUESTS_READ_AHEAD);
    // In order, here and in `shared.rs`: what happens must not depend on Tokio's dice.
    tokio::select! {
        biased;
        _ = read(&shared, conn, reader, &room) => {}
        _ = write(answers, writer, &room) => {}
    }
    shared.disconnect(conn);
}

async fn read(
    shared: &Shared,
    conn: ConnId,
    mut stream: impl AsyncRead + Unpin,
    room: &Semaphore,
) -> io::Result<()> {
    loop {
        // The permit comes back with the answer.
        if let Ok(permit) = room.acquire().await {
            permit.forget();
        }
        let length = stream.read_i32().await?;
        let length = u64::try_from(length).ok().filter(|length| *length <= FRAME_BYTES_MAX);
        let length = length.ok_or(io::ErrorKind::InvalidData)?;
        // Grows with what arrives, not with what the length claims.
        let mut frame = Vec::new();
        (&mut stream).take(length).read_to_end(&mut frame).await?;
        if (frame.len() as u64) < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        shared.with(|core, now| core.handle(now, conn, Bytes::from(frame)));
    }
}

async fn write(
    mut answers: UnboundedReceiver<ToConn>,
    mut stream: impl AsyncWrite + Unpin,
    room: &Semaphore,
) -> io::Result<()> {
    while let Some(message) = answers.recv().await {
        match message {
            ToConn::Done => {}
            ToConn::Answer(frame) => {
                let length = i32::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidData)?;
                // One write for small answers: a length alone in a packet helps nobody.
                let mut whole = Vec::with_capacity(4 + frame.len().min(SMALL));
                whole.extend_from_slice(&length.to_be_bytes());
                let (head, rest) = frame.split_at(frame.len().min(SMALL));
                whole.extend_from_slice(head);
                stream.write_all(&whole).await?;
                stream.write_all(rest).await?;
                stream.flush().await?;
            }
            ToConn::Cut(bytes) => {
                stream.write_all(&bytes).await?;
                stream.flush().await?;
                return stream.shutdown().await;
            }
        }
        room.add_permits(1);
    }
    stream.shutdown().await
}

/// `socket.request.max.bytes`.
const FRAME_BYTES_MAX: u64 = 104_857_600;
/// Requests of a connection that are taken in before the first of them is answered. A broker takes one; a few more keep a
/// client busy that sends ahead, and are worked on one by one all the same.
const REQUESTS_READ_AHEAD: usize = 16;
const SMALL: usize = 16 * 1024;
