"""With Hugging Face's Trainer:  trainwarden run hf -- python examples/heartbeat/with_huggingface.py"""

import torch
from torch.utils.data import Dataset
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

from trainwarden.integrations.huggingface import TrainwardenCallback


class Sentences(Dataset):
    """Stands for yours."""

    def __len__(self) -> int:
        return 80

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        ids = torch.arange(index, index + 8) % 60
        return {"input_ids": ids, "labels": torch.tensor(index % 2)}


def main() -> None:
    """Train two epochs of ten steps."""
    model = BertForSequenceClassification(
        BertConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    )
    arguments = TrainingArguments(
        output_dir="huggingface-out",
        num_train_epochs=2,
        per_device_train_batch_size=8,
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_steps=5,
        report_to="none",
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=Sentences(),
        eval_dataset=Sentences(),
        callbacks=[TrainwardenCallback()],  # the one line
    )
    trainer.train()


if __name__ == "__main__":
    main()
